//! What a page says of itself: its `<title>`, and the `<meta>` tags of the Open Graph protocol (ogp.me).
//!
//! This is no parser of HTML. It looks for a few tags and takes nothing else from the page.

/// What was found.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Page {
    pub(super) title: Option<String>,
    pub(super) description: Option<String>,
    /// The address of a picture, absolute.
    pub(super) picture: Option<String>,
}

/// Tags that are looked at. A page with more says nothing of itself behind them.
const TAGS_MAX: usize = 2_000;

/// Reads a page that was found at `url`.
pub(super) fn read(html: &str, url: &str) -> Page {
    let mut page = Page::default();
    let mut plain = Page::default();
    let mut rest = html;
    for _ in 0..TAGS_MAX {
        let Some(begin) = rest.find('<') else { break };
        rest = &rest[begin + 1..];
        let Some(end) = rest.find('>') else { break };
        let (tag, after) = (&rest[..end], &rest[end + 1..]);
        rest = after;
        let name = tag.split(|c: char| c.is_whitespace() || c == '/').next().unwrap_or_default();
        if name.eq_ignore_ascii_case("title") {
            plain.title = plain.title.or_else(|| said(after.split('<').next().unwrap_or_default()));
        } else if name.eq_ignore_ascii_case("meta") {
            let attribute = |name: &str| attribute(tag, name);
            let Some(content) = attribute("content").and_then(said) else { continue };
            let property = attribute("property").or_else(|| attribute("name")).unwrap_or_default();
            match property.to_ascii_lowercase().as_str() {
                "og:title" => page.title = Some(content),
                "og:description" => page.description = Some(content),
                "og:image" => page.picture = absolute(url, &content),
                "description" => plain.description = Some(content),
                _ => {}
            }
        }
    }
    Page {
        title: page.title.or(plain.title),
        description: page.description.or(plain.description),
        picture: page.picture,
    }
}

/// The value of an attribute of a tag.
fn attribute<'t>(tag: &'t str, name: &str) -> Option<&'t str> {
    let mut from = 0;
    loop {
        let at = from + tag[from..].to_ascii_lowercase().find(name)?;
        from = at + name.len();
        let is_whole = tag[..at].ends_with(|c: char| c.is_whitespace());
        let Some(value) = tag[from..].trim_start().strip_prefix('=').filter(|_| is_whole) else { continue };
        let value = value.trim_start();
        return match value.chars().next()? {
            quote @ ('"' | '\'') => value[1..].split(quote).next(),
            _ => value.split(char::is_whitespace).next(),
        };
    }
}

/// A text without what HTML needs in it; `None` when it says nothing.
fn said(text: &str) -> Option<String> {
    let mut text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    // The ampersand last, so that nothing is read twice.
    for (entity, c) in [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&apos;", "'"), ("&amp;", "&")]
    {
        text = text.replace(entity, c);
    }
    (!text.is_empty()).then_some(text)
}

/// An address on a page. Only what is absolute, or absolute on the page's own host, is taken.
fn absolute(page: &str, address: &str) -> Option<String> {
    if address.starts_with("https://") || address.starts_with("http://") {
        return Some(address.to_owned());
    }
    let scheme_end = page.find("://")? + 3;
    let host_end = page[scheme_end..].find('/').map_or(page.len(), |at| scheme_end + at);
    match address.strip_prefix("//") {
        Some(rest) => Some(format!("{}{rest}", &page[..scheme_end])),
        None => address.starts_with('/').then(|| format!("{}{address}", &page[..host_end])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_page_says_for_previews_counts_more_than_its_title() {
        let html = r#"<html><head><title>Shop</title>
            <META content='Shoes &amp; more' property="og:title"><meta content=All name=description>
            <meta property="og:image" content="/shoe.jpg"/></head>"#;
        let page = read(html, "https://example.com/shoes?x=1");
        assert_eq!(page.title.as_deref(), Some("Shoes & more"));
        assert_eq!(page.description.as_deref(), Some("All"), "without quotes it ends at the blank");
        assert_eq!(page.picture.as_deref(), Some("https://example.com/shoe.jpg"));
        assert_eq!(read("<title>\n Shop </title>", "https://example.com").title.as_deref(), Some("Shop"));
    }

    #[test]
    fn no_page_breaks_it() {
        for html in [
            "",
            "<",
            "<meta",
            "<meta content=>",
            "<meta content=\"x",
            "<title>",
            "&lt;<<>>",
            "<meta content= property=og:title é>",
        ] {
            read(html, "https://example.com");
        }
        assert_eq!(read("<p>No head</p>", "https://example.com"), Page::default());
    }
}
