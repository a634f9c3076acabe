//! Days and moments as PostgreSQL writes them: ISO dates, microseconds, years before Christ.
//!
//! The calendar is the proleptic Gregorian one. Nothing here knows a time zone: moments are UTC.

/// Days from 1970-01-01 to 2000-01-01, from which PostgreSQL counts.
pub(super) const EPOCH_DAYS: i32 = 10_957;
/// Microseconds of a day.
pub(super) const DAY: i64 = 86_400_000_000;
/// Microseconds from 1970 to 2000.
pub(super) const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * DAY;

/// Appends a day, given in days since 1970-01-01.
pub(super) fn date(out: &mut String, days: i64) {
    let (year, month, day) = civil(days);
    write_date(out, year, month, day);
    era(out, year);
}

/// Appends a moment, given in microseconds since 1970; with its zone where it has one.
pub(super) fn timestamp(out: &mut String, micros: i64, zone: bool) {
    use std::fmt::Write;

    let (days, rest) = (micros.div_euclid(DAY), micros.rem_euclid(DAY));
    let (year, month, day) = civil(days);
    write_date(out, year, month, day);
    let (seconds, fraction) = (rest / 1_000_000, rest % 1_000_000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    // Writing to a String cannot fail.
    let _ = write!(out, " {hour:02}:{minute:02}:{second:02}");
    if fraction > 0 {
        let digits = format!(".{fraction:06}");
        out.push_str(digits.trim_end_matches('0'));
    }
    if zone {
        out.push_str("+00");
    }
    era(out, year);
}

fn write_date(out: &mut String, year: i64, month: u32, day: u32) {
    use std::fmt::Write;

    // There is no year 0: what stands there is the first before Christ.
    let shown = if year > 0 { year } else { 1 - year };
    // Writing to a String cannot fail.
    let _ = write!(out, "{shown:04}-{month:02}-{day:02}");
}

fn era(out: &mut String, year: i64) {
    if year <= 0 {
        out.push_str(" BC");
    }
}

/// Year, month and day of a number of days since 1970 (Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms").
fn civil(days: i64) -> (i64, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    // Both are below 32.
    (year, u32::try_from(month).unwrap_or(1), u32::try_from(day).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::{date, timestamp};

    #[test]
    fn days_and_moments_look_as_in_postgresql() {
        let day = |days| {
            let mut out = String::new();
            date(&mut out, days);
            out
        };
        assert_eq!(day(0), "1970-01-01");
        assert_eq!(day(10_957 + 59), "2000-02-29");
        assert_eq!(day(-719_528), "0001-01-01 BC");
        let at = |micros, zone| {
            let mut out = String::new();
            timestamp(&mut out, micros, zone);
            out
        };
        assert_eq!(at(1_044_014_400_500_000, false), "2003-01-31 12:00:00.5");
        assert_eq!(at(-1, true), "1969-12-31 23:59:59.999999+00");
    }
}
