//! Text of quantities: each is read from what it prints, exactly.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::{Bandwidth, HashRate, Length, Pause, Rate, Share, Size};

/// Why a text is not the quantity asked for, with a way to say it right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Unreadable {
    /// What is wrong, in a sentence without a stop.
    pub what: String,
    /// What would be right.
    pub instead: String,
}

const TIME: &[(&str, u128)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];
const BANDWIDTH: &[(&str, u128)] = &[("bit/s", 1), ("kbit/s", 1_000), ("Mbit/s", 1_000_000), ("Gbit/s", 1_000_000_000)];
const SIZE: &[(&str, u128)] = &[
    ("B", 1),
    ("kB", 1_000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
];
const HASH_RATE: &[(&str, f64)] = &[("H/s", 1.0), ("kH/s", 1e3), ("MH/s", 1e6), ("GH/s", 1e9)];
const RATE: &[(&str, f64)] = &[("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86_400.0)];

impl FromStr for Pause {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let nanoseconds = exact(text, TIME, "a duration", "`500ms`, `90s`, `5m` or `2h`")?;
        Ok(Self(from_nanoseconds(nanoseconds)))
    }
}

impl fmt::Display for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No days: a report that says 36h is read faster than one that says 1.5d, and this way it stays whole.
        let (number, unit) = whole(self.0.as_nanos(), &TIME[..6], "s");
        write!(f, "{number}{unit}")
    }
}

impl FromStr for Length {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let wrong = |what: String| Unreadable { what, instead: "`90s`, `5m`, `500ms`, `2h` or `12 blocks`".into() };
        let (number, unit) = split(text);
        if !matches!(unit, "block" | "blocks") {
            return text.parse().map(|Pause(time)| Self::Time(time)).map_err(|error: Unreadable| wrong(error.what));
        }
        decimal(number).map(Self::Blocks).ok_or_else(|| wrong(format!("`{text}` is not a number of blocks")))
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(time) => Pause(*time).fmt(f),
            Self::Blocks(1.0) => f.write_str("1 block"),
            Self::Blocks(blocks) => write!(f, "{blocks} blocks"),
        }
    }
}

impl FromStr for Share {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let wrong = |what: String| Unreadable { what, instead: "a percentage such as `30%`".into() };
        let (number, unit) = split(text);
        let percent = decimal(number).ok_or_else(|| wrong(format!("`{text}` is not a percentage")))?;
        match unit {
            "%" if percent <= 100.0 => Ok(Self(percent / 100.0)),
            "%" => Err(wrong(format!("`{text}` is more than the whole"))),
            "" => Err(wrong(format!("`{text}` has no unit"))),
            _ => Err(wrong(format!("`{unit}` is not a percent sign"))),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", shortest(self.0 * 100.0, |percent| percent / 100.0 == self.0))
    }
}

impl FromStr for Rate {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let wrong = |what: String| Unreadable { what, instead: "`1/s`, `30/m` or `2/h`".into() };
        let Some((number, unit)) = text.split_once('/') else {
            return Err(wrong(format!("`{text}` does not say per what")));
        };
        let number = decimal(number.trim()).ok_or_else(|| wrong(format!("`{number}` is not a number")))?;
        let per = RATE.iter().find(|(name, _)| *name == unit.trim());
        per.map(|(_, seconds)| Self(number / seconds))
            .ok_or_else(|| wrong(format!("`{unit}` is not `s`, `m`, `h` or `d`")))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The largest number below a thousand that is whole and means the same, else per second in full.
        let nice = RATE.iter().find_map(|(unit, seconds)| {
            let number = (self.0 * seconds).round();
            (number / seconds == self.0).then_some((number, unit))
        });
        match nice {
            Some((number, unit)) => write!(f, "{number}/{unit}"),
            None => write!(f, "{}/s", self.0),
        }
    }
}

impl FromStr for Bandwidth {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let bits = exact(text, BANDWIDTH, "a bandwidth", "`10 Mbit/s` or `56 kbit/s`")?;
        u64::try_from(bits).map(Self).map_err(|_| too_large(text))
    }
}

impl fmt::Display for Bandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, unit) = whole(self.0.into(), BANDWIDTH, "bit/s");
        write!(f, "{number} {unit}")
    }
}

impl FromStr for Size {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let bytes = exact(text, SIZE, "a size", "`100 kB`, `1 MB` or `4 MiB`")?;
        u64::try_from(bytes).map(Self).map_err(|_| too_large(text))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, unit) = whole(self.0.into(), SIZE, "B");
        write!(f, "{number} {unit}")
    }
}

impl FromStr for HashRate {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let (number, unit) = split(text);
        let value = decimal(number);
        let scale = HASH_RATE.iter().find(|(name, _)| *name == unit);
        value.zip(scale).map(|(value, (_, scale))| Self(value * scale)).ok_or_else(|| Unreadable {
            what: format!("`{text}` is not a hash rate"),
            instead: "`25 H/s` or `1.5 kH/s`".into(),
        })
    }
}

impl fmt::Display for HashRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} H/s", self.0)
    }
}

/// A number and its unit: the blanks between are not minded.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}

/// A decimal number without sign or exponent, finite because it has at most 300 digits.
fn decimal(number: &str) -> Option<f64> {
    let plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if !plain || number.len() > 300 {
        return None;
    }
    number.parse().ok()
}

/// A decimal number times its unit, where the product is whole.
fn exact(text: &str, units: &[(&str, u128)], what: &str, instead: &str) -> Result<u128, Unreadable> {
    let wrong = |what: String| Unreadable { what, instead: instead.into() };
    let (number, unit) = split(text);
    let (before, after) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{before}{after}");
    let point = u32::try_from(after.len()).ok().and_then(|places| 10_u128.checked_pow(places));
    let (Ok(digits), Some(point)) = (digits.parse::<u128>(), point) else {
        return Err(wrong(format!("`{text}` is not {what}")));
    };
    if unit.is_empty() {
        return Err(wrong(format!("`{text}` has no unit, and {what} needs one")));
    }
    let Some((_, scale)) = units.iter().find(|(name, _)| *name == unit) else {
        return Err(wrong(format!("`{unit}` is not a unit of {what}")));
    };
    let scaled = digits.checked_mul(*scale).filter(|scaled| *scaled < 1 << 90).ok_or_else(|| too_large(text))?;
    if scaled % point != 0 {
        return Err(wrong(format!("`{text}` is finer than the smallest unit, `{}`", units[0].0)));
    }
    Ok(scaled / point)
}

/// The largest unit of which it is a whole number; `zero` is the unit of nothing.
fn whole<'a>(value: u128, units: &[(&'a str, u128)], zero: &'a str) -> (u128, &'a str) {
    if value == 0 {
        return (0, zero);
    }
    let fits = units.iter().rev().find(|(_, scale)| value.is_multiple_of(*scale));
    fits.map_or((value, zero), |(unit, scale)| (value / scale, unit))
}

/// The number with the fewest decimals that still means the same.
fn shortest(value: f64, same: impl Fn(f64) -> bool) -> f64 {
    let rounded = |places: i32| (value * 10_f64.powi(places)).round() / 10_f64.powi(places);
    (0..12).map(rounded).find(|candidate| same(*candidate)).unwrap_or(value)
}

fn from_nanoseconds(nanoseconds: u128) -> Duration {
    const SECOND: u128 = 1_000_000_000;
    let seconds = u64::try_from(nanoseconds / SECOND).unwrap_or(u64::MAX);
    Duration::new(seconds, (nanoseconds % SECOND) as u32)
}

fn too_large(text: &str) -> Unreadable {
    Unreadable { what: format!("`{text}` is too large"), instead: "something smaller".into() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read<T: FromStr<Err = Unreadable>>(text: &str) -> Result<T, String> {
        text.parse().map_err(|error: Unreadable| error.what)
    }

    #[test]
    fn quantities_mean_what_they_say() {
        assert_eq!(read("1.5h"), Ok(Pause(Duration::from_secs(5_400))));
        assert_eq!(read("500ms"), Ok(Length::Time(Duration::from_millis(500))));
        assert_eq!(read("12 blocks"), Ok(Length::Blocks(12.0)));
        assert_eq!(read("30%"), Ok(Share(0.3)));
        assert_eq!(read("30/m"), Ok(Rate(0.5)));
        assert_eq!(read("4.7 Mbit/s"), Ok(Bandwidth(4_700_000)));
        assert_eq!(read("1 MiB"), Ok(Size(1_048_576)));
        assert_eq!(read("1.5 kH/s"), Ok(HashRate(1_500.0)));
    }

    #[test]
    fn a_number_without_its_unit_is_refused() {
        assert!(read::<Length>("90").unwrap_err().contains("no unit"));
        assert!(read::<Share>("30").unwrap_err().contains("no unit"));
        assert!(read::<Rate>("1").unwrap_err().contains("per what"));
        assert!(read::<Bandwidth>("10 MB/s").unwrap_err().contains("not a unit"));
        assert!(read::<Size>("").is_err());
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(nanoseconds in 0..u64::MAX, thousandths in 0_u32..=100_000, bits: u32, per in 0.0..1e6_f64) {
            let time = Pause(Duration::from_nanos(nanoseconds));
            prop_assert_eq!(time.to_string().parse(), Ok(time));
            let blocks = Length::Blocks(f64::from(bits) / 2.0);
            prop_assert_eq!(blocks.to_string().parse(), Ok(blocks));
            let share = Share(f64::from(thousandths) / 1_000.0 / 100.0);
            prop_assert_eq!(share.to_string().parse(), Ok(share));
            let (bandwidth, size) = (Bandwidth(bits.into()), Size(bits.into()));
            prop_assert_eq!(bandwidth.to_string().parse(), Ok(bandwidth));
            prop_assert_eq!(size.to_string().parse(), Ok(size));
            let (rate, hashes) = (Rate(per), HashRate(per));
            prop_assert_eq!(rate.to_string().parse(), Ok(rate));
            prop_assert_eq!(hashes.to_string().parse(), Ok(hashes));
        }

        #[test]
        fn no_text_brings_it_down(text in ".{0,40}") {
            let _ = (read::<Length>(&text), read::<Share>(&text), read::<Rate>(&text), read::<Bandwidth>(&text));
        }
    }
}
