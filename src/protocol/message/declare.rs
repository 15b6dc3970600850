//! `messages!`: the fields of Kafka's messages as tables, with the versions that have them.
//!
//! ```text
//! messages! {
//!     api Name = 7, versions 1..=4, flexible 2;          // the messages Request and Response are its two
//!     Request {
//!         plain: i32 [0..],                              // in every version
//!         newer: Option<String> [3..] = None,            // before version 3 it is what follows the `=`, else Default's
//!         extra: i64 [tag 0, 2..] = -1,                  // tagged; written if it differs from that
//!     }
//!     ..                                                 // messages inside those
//! }
//! ```
//!
//! A field's type says whether it may be null: reading takes null from any version, writing is the caller's care.

/// See the module.
macro_rules! messages {
    (api $api:ident = $key:literal, versions $min:literal..=$max:literal, flexible $flexible:tt; $($rest:tt)*) => {
        messages! { $($rest)* }

        impl $crate::protocol::message::Api for Request {
            const NAME: &'static str = stringify!($api);
            const KEY: i16 = $key;
            const VERSION_MIN: i16 = $min;
            const VERSION_MAX: i16 = $max;
            const FLEXIBLE_FROM: i16 = messages!(@flexible $flexible);
            type Response = Response;
        }
    };
    ($( $(#[$meta:meta])* $name:ident {
        $( $(#[$field_meta:meta])* $field:ident : $type:ty [ $($versions:tt)* ] $(= $default:expr)? ),* $(,)?
    } )*) => { $(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name { $( $(#[$field_meta])* pub $field: $type, )* }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $field: messages!(@default $($default)?), )* }
            }
        }

        impl $crate::protocol::message::Wire for $name {
            #[allow(unused_variables, unused_mut, reason = "a message without fields, or without optional ones, uses less")]
            fn decode(
                decoder: &mut $crate::protocol::message::Decoder,
            ) -> Result<Self, $crate::protocol::PrimitiveError> {
                let mut read = Self::default();
                $( messages!(@read decoder, read.$field, [$($versions)*]); )*
                if decoder.flexible() {
                    decoder.tagged_fields(|tag, decoder| {
                        $( messages!(@read_tagged tag, decoder, read.$field, [$($versions)*]); )*
                        Ok(())
                    })?;
                }
                Ok(read)
            }

            #[allow(unused_mut, reason = "a message without tagged fields changes nothing")]
            fn encode(&self, encoder: &mut $crate::protocol::message::Encoder) {
                $( messages!(@write encoder, self.$field, [$($versions)*]); )*
                if encoder.flexible() {
                    let mut tagged = Vec::new();
                    $( messages!(@write_tagged tagged, encoder, self.$field, Self::default().$field, [$($versions)*]); )*
                    encoder.tagged_fields(tagged);
                }
            }
        }

        /// Null is -1 in a byte before the message.
        impl $crate::protocol::message::Wire for Option<$name> {
            fn decode(
                decoder: &mut $crate::protocol::message::Decoder,
            ) -> Result<Self, $crate::protocol::PrimitiveError> {
                match <i8 as $crate::protocol::message::Wire>::decode(decoder)? {
                    ..0 => Ok(None),
                    _ => <$name as $crate::protocol::message::Wire>::decode(decoder).map(Some),
                }
            }

            fn encode(&self, encoder: &mut $crate::protocol::message::Encoder) {
                let mark: i8 = if self.is_some() { 1 } else { -1 };
                $crate::protocol::message::Wire::encode(&mark, encoder);
                self.iter().for_each(|value| $crate::protocol::message::Wire::encode(value, encoder));
            }
        }
    )* };
    (@flexible none) => { i16::MAX };
    (@flexible $from:literal) => { $from };
    (@default) => { Default::default() };
    (@default $default:expr) => { $default };
    (@read $decoder:ident, $place:expr, [tag $tag:literal, $($versions:tt)*]) => {};
    (@read $decoder:ident, $place:expr, [$($versions:tt)*]) => {
        if ($($versions)*).contains(&$decoder.version()) {
            $place = $crate::protocol::message::Wire::decode($decoder)?;
        }
    };
    (@read_tagged $found:ident, $decoder:ident, $place:expr, [tag $tag:literal, $($versions:tt)*]) => {
        if $found == $tag && ($($versions)*).contains(&$decoder.version()) {
            $place = $crate::protocol::message::Wire::decode($decoder)?;
            return Ok(());
        }
    };
    (@read_tagged $found:ident, $decoder:ident, $place:expr, [$($versions:tt)*]) => {};
    (@write $encoder:ident, $value:expr, [tag $tag:literal, $($versions:tt)*]) => {};
    (@write $encoder:ident, $value:expr, [$($versions:tt)*]) => {
        if ($($versions)*).contains(&$encoder.version()) {
            $crate::protocol::message::Wire::encode(&$value, $encoder);
        }
    };
    (@write_tagged $tagged:ident, $encoder:ident, $value:expr, $default:expr, [tag $tag:literal, $($versions:tt)*]) => {
        if ($($versions)*).contains(&$encoder.version()) && $value != $default {
            $tagged.push(($tag, $encoder.tagged(&$value)));
        }
    };
    (@write_tagged $tagged:ident, $encoder:ident, $value:expr, $default:expr, [$($versions:tt)*]) => {};
}

pub(crate) use messages;
