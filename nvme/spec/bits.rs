// SPDX-License-Identifier: GPL-2.0

//! The bit fields and code points that the other files are made of.

/// The bits `high` to `low` of `word`, both included, moved down to bit 0.
///
/// The specification writes a field as `high:low`; so do the callers, with constants.
pub(super) const fn field(word: u64, high: u32, low: u32) -> u64 {
    debug_assert!(low <= high && high < 64);
    // With constants all of this is a shift and a mask.
    word.wrapping_shr(low) & u64::MAX.wrapping_shr(63u32.wrapping_sub(high.wrapping_sub(low)))
}

/// Whether bit `index` of `word` is set.
pub(super) const fn bit(word: u64, index: u32) -> bool {
    field(word, index, index) != 0
}

/// Defines a code that the specification keeps extending: a newtype with a constant and a name for
/// each known value.
///
/// An `enum` could not hold the values which a device made after this file was written reports, or
/// those which a passthrough command carries.
macro_rules! open_enum {
    (
        $(#[$meta:meta])*
        $vis:vis struct $Type:ident($Repr:ty), $unknown:literal {
            $($(#[$doc:meta])* $NAME:ident = $value:literal, $text:literal;)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        $vis struct $Type($vis $Repr);

        impl $Type {
            $(
                #[doc = $text]
                $(#[$doc])*
                $vis const $NAME: Self = Self($value);
            )*

            /// The specification's name of the value, if this file knows it.
            $vis const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($text),)*
                    _ => None,
                }
            }
        }

        impl core::fmt::Display for $Type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self.name() {
                    Some(name) => f.write_str(name),
                    None => write!(f, concat!($unknown, " {:#04x}"), self.0),
                }
            }
        }
    };
}

/// Asserts at compile time the size of a structure and where its fields lie, in bytes.
macro_rules! assert_layout {
    ($Type:ty, $size:literal $(, $field:ident @ $offset:literal)* $(,)?) => {
        const _: () = {
            assert!(core::mem::size_of::<$Type>() == $size);
            $(assert!(core::mem::offset_of!($Type, $field) == $offset);)*
        };
    };
}

pub(super) use assert_layout;
pub(super) use open_enum;
