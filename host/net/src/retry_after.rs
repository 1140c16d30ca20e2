//! Reading `Retry-After`: seconds, or an HTTP date (RFC 9110, section 10.2.3).

use std::time::{Duration, UNIX_EPOCH};

use portico_core::time::UtcMs;

/// How long the header asks to wait, at the time `now`. A date that has passed gives zero, any other text `None`.
pub(crate) fn parse(text: &str, now: UtcMs) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let date = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(UtcMs(i64::try_from(date.as_millis()).ok()?).since(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_read() {
        // 1994-11-06T08:49:37Z.
        let now = UtcMs(784_111_777_000);
        assert_eq!(parse(" 120 ", now), Some(Duration::from_secs(120)));
        assert_eq!(parse("Sun, 06 Nov 1994 08:50:37 GMT", now), Some(Duration::from_secs(60)));
        assert_eq!(parse("Sun, 06 Nov 1994 08:00:00 GMT", now), Some(Duration::ZERO));
    }

    #[test]
    fn anything_else_says_nothing() {
        for text in ["", "-1", "soon", "1.5", "99999999999999999999"] {
            assert_eq!(parse(text, UtcMs(0)), None, "{text}");
        }
    }
}
