//! Which part of a file a request asks for (RFC 9110, section 14).

use std::ops::Range;

/// What a request asks for.
#[derive(Debug, PartialEq)]
pub(super) enum Part {
    /// All of it.
    Whole,
    /// These bytes; the end is the first that is not wanted.
    Range(Range<u64>),
    /// A part that the file does not have.
    None,
}

/// Reads `Range` for a file of so many bytes. What is no range of bytes, and several at once, mean the whole file: both may be
/// passed over.
pub(super) fn part(header: Option<&str>, bytes: u64) -> Part {
    let Some(ranges) = header.and_then(|header| header.trim().strip_prefix("bytes=")) else { return Part::Whole };
    let Some((first, last)) = ranges.trim().split_once('-').filter(|_| !ranges.contains(',')) else {
        return Part::Whole;
    };
    match (number(first), number(last)) {
        (Some(None), Some(Some(count))) if count > 0 && bytes > 0 => Part::Range(bytes.saturating_sub(count)..bytes),
        (Some(None), Some(Some(_))) => Part::None,
        (Some(Some(first)), Some(last)) => {
            if last.is_some_and(|last| last < first) {
                return Part::Whole;
            }
            let end = last.map_or(bytes, |last| last.saturating_add(1).min(bytes));
            if first < end { Part::Range(first..end) } else { Part::None }
        }
        _ => Part::Whole,
    }
}

/// A number, or nothing; `None` when it is something else.
fn number(text: &str) -> Option<Option<u64>> {
    let text = text.trim();
    if text.is_empty() {
        return Some(None);
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // A number that is too large is larger than any file.
    Some(Some(text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_to_the_file() {
        for (header, wanted) in [
            ("bytes=0-3", 0..4),
            ("bytes=5-", 5..10),
            ("bytes=-4", 6..10),
            ("bytes=5-99", 5..10),
            ("bytes=-99", 0..10),
            ("bytes=9-9", 9..10),
            ("bytes=0-99999999999999999999999", 0..10),
        ] {
            assert_eq!(part(Some(header), 10), Part::Range(wanted), "{header}");
        }
        for header in ["bytes=10-", "bytes=-0", "bytes=99999999999999999999999-"] {
            assert_eq!(part(Some(header), 10), Part::None, "{header}");
        }
        assert_eq!(part(Some("bytes=-5"), 0), Part::None);
    }

    #[test]
    fn what_is_no_single_range_means_the_whole_file() {
        for header in ["items=0-1", "bytes=", "bytes=-", "bytes=x-", "bytes=4-3", "bytes=0-1,4-5", "bytes=+1-2"] {
            assert_eq!(part(Some(header), 10), Part::Whole, "{header}");
        }
        assert_eq!(part(None, 10), Part::Whole);
    }
}
