//! `GEO_DISTANCE`: how far two places of the earth are apart, by the haversine formula on a sphere.

use crate::error::Error;
use crate::error::SqlState;
use crate::functions::rowwise::Answer;
use crate::functions::rowwise::Cell;
use crate::functions::rowwise::Definition;
use crate::functions::rowwise::Nulls;
use crate::functions::rowwise::Overload;
use crate::functions::rowwise::Type;

const RADIUS_KILOMETRES: f64 = 6371.0;
const RADIUS_MILES: f64 = 3959.0;

const PLACES: &[Type] = &[Type::Double, Type::Double, Type::Double, Type::Double];
const PLACES_AND_UNIT: &[Type] = &[Type::Double, Type::Double, Type::Double, Type::Double, Type::Text];

/// `geo_distance(latitude, longitude, latitude, longitude [, unit]) -> DOUBLE`, degrees in, kilometres or miles out.
///
/// A null place gives null, a null or empty unit is kilometres. 22023 for degrees that there are not, and for other units.
pub static DEFINITIONS: [Definition; 1] = [Definition {
    name: "geo_distance",
    about: "The distance on a great circle of two places, given by latitude and longitude in degrees: in 'KM', or in 'MILES'.",
    overloads: &[
        Overload { arguments: PLACES, result: Type::Double },
        Overload { arguments: PLACES_AND_UNIT, result: Type::Double },
    ],
    nulls: Nulls::AreArguments,
    compute: geo_distance,
}];

fn geo_distance(cells: &[Cell<'_>]) -> Result<Answer, Error> {
    let invalid = |message: &str| Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message));
    let (places, unit) = cells.split_at(PLACES.len());
    if places.contains(&Cell::Null) {
        return Ok(Answer::Null);
    }
    let [from_latitude, from_longitude, to_latitude, to_longitude] = [0, 1, 2, 3].map(|place| places[place].double());
    if [from_latitude, to_latitude].iter().any(|degrees| 90.0 < degrees.abs()) {
        return invalid("a latitude is from -90 to 90 degrees");
    }
    if [from_longitude, to_longitude].iter().any(|degrees| 180.0 < degrees.abs()) {
        return invalid("a longitude is from -180 to 180 degrees");
    }
    let radius = match unit.first().map_or("", |unit| unit.text()).trim().to_lowercase().as_str() {
        "mi" | "mile" | "miles" => RADIUS_MILES,
        "" | "km" | "kilometer" | "kilometers" | "kilometre" | "kilometres" => RADIUS_KILOMETRES,
        _ => return invalid("the unit of a distance is KM or MILES"),
    };
    let haversine = |degrees: f64| (degrees.to_radians() / 2.0).sin().powi(2);
    let across = from_latitude.to_radians().cos() * to_latitude.to_radians().cos();
    let share = haversine(to_latitude - from_latitude) + haversine(to_longitude - from_longitude) * across;
    Ok(Answer::Double(2.0 * radius * share.sqrt().asin()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_the_equator() {
        let places = [0.0, 0.0, 0.0, 90.0].map(Cell::Double);
        let distance = |unit: Option<Cell<'static>>| {
            let cells: Vec<Cell<'_>> = places.into_iter().chain(unit).collect();
            match geo_distance(&cells) {
                Ok(Answer::Double(distance)) => Some(distance.round()),
                _ => None,
            }
        };
        assert_eq!(distance(None), Some(10_008.0));
        assert_eq!(distance(Some(Cell::Null)), Some(10_008.0));
        assert_eq!(distance(Some(Cell::Text(" Miles "))), Some(6_219.0));
        assert_eq!(distance(Some(Cell::Text("yards"))), None);
        assert!(geo_distance(&[91.0, 0.0, 0.0, 0.0].map(Cell::Double)).is_err());
        assert_eq!(geo_distance(&[Cell::Null; 4]).ok(), Some(Answer::Null));
    }
}
