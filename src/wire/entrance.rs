//! Where a door listens: taken before anything is recovered, so that a wrong or taken address is told at once. Clients that come
//! before the door serves wait for it.

use std::io;

use crate::env::Address;
use crate::env::Env;
use crate::env::Listener;
use crate::error::Error;
use crate::error::SqlState;

/// A bound address; nobody is let in yet.
pub struct Entrance {
    pub(super) listener: Box<dyn Listener>,
    pub(super) address: Address,
}

impl Entrance {
    /// Binds `listen`, `host:port`; port 0 takes a free one. Errors: it is taken, or is not loopback and nothing allows that.
    pub async fn open(env: &Env, listen: &str, allow_remote_without_auth: bool) -> Result<Self, Error> {
        let cannot = |error: io::Error| {
            Error::new(SqlState::CONNECTION_FAILURE, format!("could not listen on {listen}: {error}")).caused_by(error)
        };
        let listener = env.network.listen(listen).await.map_err(cannot)?;
        let address = listener.local_address().map_err(cannot)?;
        if !address.ip().is_loopback() && !allow_remote_without_auth {
            let message = format!("refusing to listen on {address}: nobody has to prove who they are yet");
            let hint = "Listen on 127.0.0.1, or set allow_remote_without_auth = true.";
            return Err(Error::new(SqlState::INVALID_AUTHORIZATION, message).hint(hint));
        }
        Ok(Self { listener, address })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn other_addresses_than_loopback_are_refused_unless_told_so() {
        let refused = Entrance::open(&Env::real(), "0.0.0.0:0", false).await;
        assert_eq!(refused.map(|_| ()).expect_err("it is not loopback").state(), SqlState::INVALID_AUTHORIZATION);
        Entrance::open(&Env::real(), "0.0.0.0:0", true).await.expect("it is allowed");
    }

    #[tokio::test]
    async fn an_address_that_is_taken_is_told() {
        let first = Entrance::open(&Env::real(), "127.0.0.1:0", false).await.expect("a free port");
        let refused = Entrance::open(&Env::real(), &first.address.to_string(), false).await;
        assert_eq!(refused.map(|_| ()).expect_err("it is taken").state(), SqlState::CONNECTION_FAILURE);
    }
}
