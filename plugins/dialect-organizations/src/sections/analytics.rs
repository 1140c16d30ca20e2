//! Section "Analytics". The core counts messages by day and device; it counts neither contacts nor campaigns.

use std::collections::BTreeMap;

use portico_sdk::api::{DayCounts, Page};
use portico_sdk::dialect::{Call, Fault, Route, get};
use portico_sdk::gateway::segment;
use portico_sdk::http::Response;
use serde_json::{Value, json};

use crate::Organizations;

pub(crate) const ROUTES: &[Route<Organizations>] = &[
    get("/api/analytics/stats"),
    get("/api/analytics/metrics").run(metrics),
    get("/api/analytics/campaigns/{campaignId}/export"),
    get("/api/analytics/campaigns/{campaignId}"),
    // The core does not tell how much a tenant may keep.
    get("/api/analytics/storage"),
];

fn metrics(call: &Call<Organizations>) -> Result<Response, Fault> {
    let day = |name: &'static str| {
        let text = call.query(name).ok_or_else(|| Fault::invalid(name, "must be a day such as 2026-01-31"))?;
        // A whole time is taken too.
        let time = if text.contains('T') { text.to_owned() } else { format!("{text}T00:00:00Z") };
        Ok::<_, Fault>(segment(&time))
    };
    let mut path = format!("/v1/analytics?from={}&to={}", day("startDate")?, day("endDate")?);
    if let Some(client) = call.query("clientId").filter(|client| !client.is_empty()) {
        path.push_str(&format!("&device={}", segment(client)));
    }
    let page: Page<DayCounts> = call.gateway.get(&path)?.json()?;
    // This API knows no devices here: those of a day are taken together.
    let mut days: BTreeMap<&str, [u64; 4]> = BTreeMap::new();
    for row in &page.items {
        let sums = days.entry(&row.day).or_default();
        for (sum, count) in sums.iter_mut().zip([row.sent, row.delivered, row.read, row.failed]) {
            *sum += count;
        }
    }
    let shown = days.into_iter().map(|(day, [sent, delivered, read, failed])| {
        json!({ "date": day, "sent": sent, "delivered": delivered, "read": read, "failed": failed })
    });
    Ok(Response::json(200, &json!({ "metrics": shown.collect::<Vec<Value>>() })))
}
