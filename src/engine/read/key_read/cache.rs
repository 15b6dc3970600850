//! What was recognised of a prepared statement, for as long as catalog and settings stay what they were.

use std::sync::Arc;

use parking_lot::Mutex;

use super::KeyRead;
use crate::catalog::Catalog;
use crate::engine::settings::Settings;
use crate::sql::Select;

/// Of one prepared statement; clones share it.
#[derive(Debug, Clone, Default)]
pub(in crate::engine) struct KeyReadCache(Arc<Mutex<Option<Recognised>>>);

#[derive(Debug)]
struct Recognised {
    catalog_version: u64,
    settings_version: u64,
    read: Option<Arc<KeyRead>>,
}

impl KeyReadCache {
    /// The statement as it is read by key, `None` if it is not.
    pub(in crate::engine) fn of(
        &self,
        select: &Select,
        catalog: &Catalog,
        settings: &Settings,
    ) -> Option<Arc<KeyRead>> {
        let (catalog_version, settings_version) = (catalog.version(), settings.version());
        let mut known = self.0.lock();
        match &*known {
            Some(known) if known.catalog_version == catalog_version && known.settings_version == settings_version => {
                known.read.clone()
            }
            _ => {
                let read = KeyRead::of(select, catalog, settings.compatibility(), settings.zone_name()).map(Arc::new);
                *known = Some(Recognised { catalog_version, settings_version, read: read.clone() });
                read
            }
        }
    }
}
