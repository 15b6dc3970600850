//! Where people live and shop: cities, kinds of shops, names.

/// A city.
#[derive(Debug)]
pub(super) struct City {
    pub name: &'static str,
    /// ISO 3166, two letters.
    pub country: &'static str,
    /// Degrees.
    pub latitude: f64,
    /// Degrees.
    pub longitude: f64,
    /// Hours that its clocks are ahead of UTC, the year round.
    pub hours_ahead: i64,
}

/// A kind of shop, with the hours at which it opens and closes on its own clock. It never closes if they are equal.
pub(super) struct Trade {
    pub name: &'static str,
    pub opens: i64,
    pub closes: i64,
}

/// Every shop in a city is of one of these, in turn.
pub(super) const TRADES: [Trade; 8] = [
    Trade { name: "fuel", opens: 0, closes: 0 },
    Trade { name: "groceries", opens: 7, closes: 21 },
    Trade { name: "bakery", opens: 6, closes: 18 },
    Trade { name: "restaurant", opens: 11, closes: 23 },
    Trade { name: "clothes", opens: 9, closes: 19 },
    Trade { name: "pharmacy", opens: 8, closes: 20 },
    Trade { name: "bar", opens: 16, closes: 2 },
    Trade { name: "electronics", opens: 10, closes: 20 },
];

/// What is sold without a shop.
pub(super) const ONLINE: Trade = Trade { name: "online", opens: 0, closes: 0 };

pub(super) const CITIES: [City; 24] = [
    city("Berlin", "DE", 52.52, 13.41, 1),
    city("Hamburg", "DE", 53.55, 9.99, 1),
    city("Munich", "DE", 48.14, 11.58, 1),
    city("Zurich", "CH", 47.38, 8.54, 1),
    city("Geneva", "CH", 46.20, 6.15, 1),
    city("Vienna", "AT", 48.21, 16.37, 1),
    city("Paris", "FR", 48.86, 2.35, 1),
    city("Lyon", "FR", 45.76, 4.84, 1),
    city("Madrid", "ES", 40.42, -3.70, 1),
    city("Lisbon", "PT", 38.72, -9.14, 0),
    city("London", "GB", 51.51, -0.13, 0),
    city("Edinburgh", "GB", 55.95, -3.19, 0),
    city("Dublin", "IE", 53.35, -6.26, 0),
    city("Rome", "IT", 41.90, 12.50, 1),
    city("Athens", "GR", 37.98, 23.73, 2),
    city("Stockholm", "SE", 59.33, 18.07, 1),
    city("Warsaw", "PL", 52.23, 21.01, 1),
    city("New York", "US", 40.71, -74.01, -5),
    city("Toronto", "CA", 43.65, -79.38, -5),
    city("San Francisco", "US", 37.77, -122.42, -8),
    city("Mexico City", "MX", 19.43, -99.13, -6),
    city("Dubai", "AE", 25.20, 55.27, 4),
    city("Singapore", "SG", 1.35, 103.82, 8),
    city("Tokyo", "JP", 35.68, 139.69, 9),
];

const fn city(name: &'static str, country: &'static str, latitude: f64, longitude: f64, hours_ahead: i64) -> City {
    City { name, country, latitude, longitude, hours_ahead }
}

pub(super) const FIRST_NAMES: [&str; 16] = [
    "Ann", "Bo", "Carla", "Dan", "Eve", "Finn", "Gita", "Hugo", "Ines", "Jon", "Kim", "Lea", "Max", "Nora", "Omar",
    "Pia",
];

pub(super) const LAST_NAMES: [&str; 16] = [
    "Archer", "Baker", "Cooper", "Dyer", "Fisher", "Glover", "Hunter", "Mason", "Miller", "Porter", "Sawyer", "Smith",
    "Tanner", "Turner", "Weaver", "Wright",
];

/// Kilometres between two points, over a sphere.
pub(super) fn kilometres((latitude, longitude): (f64, f64), (to_latitude, to_longitude): (f64, f64)) -> f64 {
    const RADIUS: f64 = 6371.0;
    let half = |from: f64, to: f64| ((to - from).to_radians() / 2.0).sin().powi(2);
    let cosines = latitude.to_radians().cos() * to_latitude.to_radians().cos();
    let chord = half(latitude, to_latitude) + cosines * half(longitude, to_longitude);
    2.0 * RADIUS * chord.sqrt().asin()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flight_from_paris_to_new_york_is_as_long_as_the_atlas_says() {
        let at = |name: &str| {
            let city = CITIES.iter().find(|city| city.name == name).expect("it is there");
            (city.latitude, city.longitude)
        };
        assert!((kilometres(at("Paris"), at("New York")) - 5837.0).abs() < 15.0);
    }
}
