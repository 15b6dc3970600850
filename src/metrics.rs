//! Counters, gauges and histograms, rendered in Prometheus' text format.
//!
//! A room asks for its instruments once and keeps them; using one is an atomic operation, no lock. Asking again for
//! the same name and labels gives the same instrument.
//!
//! Names follow Prometheus: `tidemill_<room>_<what>_<unit>`, counters end in `_total`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;

/// Seconds, from 100 us to 10 s: the bounds of latencies.
pub const LATENCY_BOUNDS: [f64; 16] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// All instruments of one server; cheap to clone.
#[derive(Clone, Default)]
pub struct Metrics(Arc<Mutex<BTreeMap<&'static str, Family>>>);

/// Counts up.
#[derive(Clone)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Adds `count`.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// What was counted.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Goes up and down.
#[derive(Clone)]
pub struct Gauge(Arc<AtomicI64>);

impl Gauge {
    /// Sets the value.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Adds `change`, which may be negative.
    pub fn add(&self, change: i64) {
        self.0.fetch_add(change, Ordering::Relaxed);
    }

    /// The value.
    pub fn value(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counts observations by size.
#[derive(Clone)]
pub struct Histogram(Arc<Buckets>);

struct Buckets {
    bounds: Vec<f64>,
    /// One more than there are bounds: the last counts what lies above all of them.
    counts: Vec<AtomicU64>,
    /// The sum of observations in millionths.
    sum_micros: AtomicU64,
}

impl Histogram {
    /// Counts a duration, in seconds.
    pub fn observe(&self, duration: Duration) {
        self.observe_value(duration.as_secs_f64());
    }

    /// Counts a value that is not negative.
    pub fn observe_value(&self, value: f64) {
        let bucket = self.0.bounds.partition_point(|bound| *bound < value);
        self.0.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.0.sum_micros.fetch_add((value * 1e6) as u64, Ordering::Relaxed);
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.0.counts.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }
}

struct Family {
    help: &'static str,
    kind: &'static str,
    /// By labels, as they are rendered: `a="b",c="d"`.
    instruments: BTreeMap<String, Instrument>,
}

enum Instrument {
    Counter(Counter),
    Gauge(Gauge),
    Histogram(Histogram),
    /// As it was told last.
    Told(f64),
}

impl Metrics {
    /// No instruments yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The counter of this name and these labels.
    ///
    /// Panics if the name already stands for another kind of instrument, as do the other two.
    pub fn counter(&self, name: &'static str, help: &'static str, labels: &[(&str, &str)]) -> Counter {
        let make = || Instrument::Counter(Counter(Arc::default()));
        self.instrument(name, help, "counter", labels, make, |instrument| match instrument {
            Instrument::Counter(counter) => Some(counter.clone()),
            Instrument::Gauge(_) | Instrument::Histogram(_) | Instrument::Told(_) => None,
        })
    }

    /// The gauge of this name and these labels.
    pub fn gauge(&self, name: &'static str, help: &'static str, labels: &[(&str, &str)]) -> Gauge {
        let make = || Instrument::Gauge(Gauge(Arc::default()));
        self.instrument(name, help, "gauge", labels, make, |instrument| match instrument {
            Instrument::Gauge(gauge) => Some(gauge.clone()),
            Instrument::Counter(_) | Instrument::Histogram(_) | Instrument::Told(_) => None,
        })
    }

    /// The histogram of this name and these labels; `bounds` rise, each is inclusive.
    pub fn histogram(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[(&str, &str)],
        bounds: &[f64],
    ) -> Histogram {
        assert!(bounds.is_sorted(), "the bounds of {name} do not rise");
        let make = || {
            let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
            let buckets = Buckets { bounds: bounds.to_vec(), counts, sum_micros: AtomicU64::new(0) };
            Instrument::Histogram(Histogram(Arc::new(buckets)))
        };
        self.instrument(name, help, "histogram", labels, make, |instrument| match instrument {
            Instrument::Histogram(histogram) => Some(histogram.clone()),
            Instrument::Counter(_) | Instrument::Gauge(_) | Instrument::Told(_) => None,
        })
    }

    /// Has a family hold exactly these values, by their labels: of what comes and goes, looked at when it is asked for.
    pub fn tell<'a>(
        &self,
        name: &'static str,
        help: &'static str,
        kind: &'static str,
        values: impl IntoIterator<Item = (Vec<(&'a str, &'a str)>, f64)>,
    ) {
        let told = values.into_iter().map(|(labels, value)| (render_labels(&labels), Instrument::Told(value)));
        let family = Family { help, kind, instruments: told.collect() };
        self.0.lock().insert(name, family);
    }

    fn instrument<T>(
        &self,
        name: &'static str,
        help: &'static str,
        kind: &'static str,
        labels: &[(&str, &str)],
        make: impl FnOnce() -> Instrument,
        pick: impl FnOnce(&Instrument) -> Option<T>,
    ) -> T {
        let mut families = self.0.lock();
        let family = families.entry(name).or_insert_with(|| Family { help, kind, instruments: BTreeMap::new() });
        let instrument = family.instruments.entry(render_labels(labels)).or_insert_with(make);
        pick(instrument).unwrap_or_else(|| panic!("metric {name} is a {}, not a {kind}", family.kind))
    }

    /// All instruments in Prometheus' text format, version 0.0.4, sorted by name.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for (name, family) in self.0.lock().iter() {
            text.push_str(&format!("# HELP {name} {}\n# TYPE {name} {}\n", family.help, family.kind));
            for (labels, instrument) in &family.instruments {
                render_instrument(&mut text, name, labels, instrument);
            }
        }
        text
    }
}

fn render_instrument(text: &mut String, name: &str, labels: &str, instrument: &Instrument) {
    let mut line = |suffix: &str, labels: &str, value: &dyn std::fmt::Display| {
        let braced = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        writeln!(text, "{name}{suffix}{braced} {value}").expect("a String takes what is written");
    };
    match instrument {
        Instrument::Counter(counter) => line("", labels, &counter.value()),
        Instrument::Gauge(gauge) => line("", labels, &gauge.value()),
        Instrument::Told(value) => line("", labels, value),
        Instrument::Histogram(Histogram(buckets)) => {
            let comma = if labels.is_empty() { "" } else { "," };
            let bounds = buckets.bounds.iter().map(f64::to_string).chain(["+Inf".to_string()]);
            let mut below = 0;
            for (bound, count) in bounds.zip(&buckets.counts) {
                below += count.load(Ordering::Relaxed);
                line("_bucket", &format!("{labels}{comma}le=\"{bound}\""), &below);
            }
            line("_sum", labels, &(buckets.sum_micros.load(Ordering::Relaxed) as f64 / 1e6));
            line("_count", labels, &below);
        }
    }
}

fn render_labels(labels: &[(&str, &str)]) -> String {
    let escape = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let rendered: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escape(value))).collect();
    rendered.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rendering_is_prometheus_text() {
        let metrics = Metrics::new();
        metrics.counter("a_total", "How many.", &[("topic", "x\"y")]).add(2);
        metrics.counter("a_total", "How many.", &[("topic", "x\"y")]).add(1);
        metrics.gauge("b", "How much.", &[]).set(-4);
        let latency = metrics.histogram("c_seconds", "How long.", &[("door", "pg")], &[0.001, 0.1]);
        latency.observe(Duration::from_millis(1));
        latency.observe(Duration::from_millis(2));
        latency.observe(Duration::from_secs(1));
        let expected = "# HELP a_total How many.\n# TYPE a_total counter\na_total{topic=\"x\\\"y\"} 3\n\
            # HELP b How much.\n# TYPE b gauge\nb -4\n\
            # HELP c_seconds How long.\n# TYPE c_seconds histogram\n\
            c_seconds_bucket{door=\"pg\",le=\"0.001\"} 1\nc_seconds_bucket{door=\"pg\",le=\"0.1\"} 2\n\
            c_seconds_bucket{door=\"pg\",le=\"+Inf\"} 3\nc_seconds_sum{door=\"pg\"} 1.003\nc_seconds_count{door=\"pg\"} 3\n";
        assert_eq!(metrics.render(), expected);
        assert_eq!(latency.count(), 3);
    }
}
