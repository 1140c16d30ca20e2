//! Times as JSON carries them, without a time-zone library.

/// Milliseconds since 1970 as ISO-8601 in UTC: `2026-01-31T12:00:00.000Z`.
pub fn iso(ms: u64) -> String {
    let (days, rest) = (ms / 86_400_000, ms % 86_400_000);
    let (year, month, day) = date(days);
    let (hour, minute, second, milli) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1_000 % 60, rest % 1_000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// The reverse of [`iso`]: milliseconds since 1970 of a time as the REST core writes it. Fractions may be left out.
pub fn parse(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time, ':')?;
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let milli: u64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    Some(days(year, month, day)? * 86_400_000 + hour * 3_600_000 + minute * 60_000 + second * 1_000 + milli)
}

fn numbers(text: &str, sign: char) -> Option<[u64; 3]> {
    let parts: Vec<u64> = text.split(sign).map(|part| part.parse().ok()).collect::<Option<_>>()?;
    parts.try_into().ok()
}

/// The reverse of [`date`], for days from 1970 on.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = if month > 2 { year } else { year.checked_sub(1)? };
    let (era, year_of_era, shifted_month) = (year / 400, year % 400, (month + 9) % 12);
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era.checked_mul(146_097)?.checked_add(day_of_era)?.checked_sub(719_468)
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar. Years are made to start in March, so
/// that the leap day comes last and months have a fixed pattern of 153 days in five.
fn date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468; // Days from 0000-03-01 to 1970-01-01.
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::{iso, parse};

    #[test]
    fn known_moments_are_written_as_iso_8601() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_799_999, "2000-02-29T23:59:59.999Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_767_225_600_123, "2026-01-01T00:00:00.123Z"),
            (4_107_542_399_000, "2100-02-28T23:59:59.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(iso(ms), text);
            assert_eq!(parse(text), Some(ms));
        }
    }

    #[test]
    fn times_that_are_none_are_not_read() {
        assert_eq!(parse("1970-01-01T00:00:01Z"), Some(1_000));
        for text in
            ["", "2026-01-01", "2026-13-01T00:00:00Z", "2026-01-01T24:00:00Z", "1969-12-31T23:59:59Z", "a-b-cTd:e:fZ"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
