//! Runs: a lane's claimed head and what waits behind it, made one after the other under the head's lease.
//!
//! Invariant: a run holds deliveries of one lane, oldest first, each with its place. Whatever ends a run early
//! leaves the rest of it as it is in the store: waiting, with the first of it the lane's next head.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use portico_core::event::Event;
use portico_core::id::{DeliveryId, WebhookId};
use portico_core::webhook::{Claimed, Webhook, WebhookState};
use tokio::time::Instant;

use super::parts::FORMAT_BATCH;
use super::places::{Place, Places};

/// Deliveries of one lane with their places.
pub(super) struct Run {
    head: (Claimed, Place),
    behind: Vec<(Claimed, Place)>,
    /// When a request may begin at the latest, so that it ends within the lease.
    pub(super) start_by: Instant,
}

impl Run {
    /// A run of one.
    pub(super) fn new(claimed: Claimed, place: Place, start_by: Instant) -> Self {
        Self { head: (claimed, place), behind: Vec::new(), start_by }
    }

    /// Whose it is.
    pub(super) fn webhook(&self) -> &WebhookId {
        &self.head.0.webhook
    }

    pub(super) fn len(&self) -> usize {
        1 + self.behind.len()
    }

    /// What is to be delivered, in order.
    pub(super) fn events(&self) -> impl Iterator<Item = &Event> {
        std::iter::once(&self.head).chain(&self.behind).map(|(claimed, _)| &claimed.event)
    }

    /// Its deliveries, in order; there is at least one.
    pub(super) fn into_deliveries(self) -> impl Iterator<Item = (Claimed, Place)> + Send {
        std::iter::once(self.head).chain(self.behind)
    }
}

/// The heads of lanes whose followers are worth a look, and how many of each.
pub(super) fn wanted_behind(
    claims: &[Claimed],
    webhooks: &HashMap<WebhookId, Arc<Webhook>>,
    places: &Places,
    lane_run: u32,
) -> (Vec<DeliveryId>, u32) {
    let mut heads_of: HashMap<&WebhookId, Vec<&DeliveryId>> = HashMap::new();
    for claimed in claims {
        heads_of.entry(&claimed.webhook).or_default().push(&claimed.id);
    }
    let (mut heads, mut per_lane) = (Vec::new(), 0);
    for (id, of_webhook) in heads_of {
        let Some(webhook) = webhooks.get(id).filter(|w| w.state == WebhookState::Enabled) else { continue };
        let share = places.room_behind(webhook).saturating_sub(claims.len()) / of_webhook.len();
        if share > 0 {
            per_lane = share.max(per_lane);
            heads.extend(of_webhook.into_iter().cloned());
        }
    }
    let most = usize::try_from(lane_run).unwrap_or(FORMAT_BATCH).clamp(1, FORMAT_BATCH) - 1;
    if most == 0 {
        heads.clear();
    }
    (heads, u32::try_from(per_lane.min(most)).unwrap_or(0))
}

/// Puts followers, oldest first, behind the heads of their lanes as far as there are places: one for each lane, then the
/// next for each, so that no lane takes what another could use.
pub(super) fn join(
    runs: &mut [Run],
    followers: Vec<Claimed>,
    webhooks: &HashMap<WebhookId, Arc<Webhook>>,
    places: &Places,
) {
    let mut lanes: HashMap<(WebhookId, String), VecDeque<Claimed>> = HashMap::new();
    for follower in followers {
        lanes.entry((follower.webhook.clone(), follower.event.lane.clone())).or_default().push_back(follower);
    }
    let mut open: Vec<_> = runs
        .iter_mut()
        .filter_map(|run| {
            let head = &run.head.0;
            let webhook = webhooks.get(&head.webhook)?;
            let waiting = lanes.remove(&(head.webhook.clone(), head.event.lane.clone()))?;
            Some((run, webhook, waiting))
        })
        .collect();
    while !open.is_empty() {
        open.retain_mut(|(run, webhook, waiting)| {
            let Some(next) = waiting.pop_front() else { return false };
            let Some(place) = places.take_behind(webhook) else { return false };
            run.behind.push((next, place));
            true
        });
    }
}

/// Cuts runs into batches that a format plugin takes at once.
pub(super) fn format_batches(runs: Vec<Run>) -> Vec<Vec<Run>> {
    let mut batches: Vec<Vec<Run>> = Vec::new();
    let mut events = FORMAT_BATCH;
    for run in runs {
        if events + run.len() > FORMAT_BATCH {
            batches.push(Vec::new());
            events = 0;
        }
        events += run.len();
        if let Some(batch) = batches.last_mut() {
            batch.push(run);
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DeliverConfig;
    use crate::testing;

    fn claimed(seq: i64, lane: &str) -> Claimed {
        let event = Event { lane: lane.into(), ..testing::event(seq) };
        let id = DeliveryId::new(1, u128::try_from(seq).unwrap_or_default());
        Claimed { id, tenant: testing::tenant(), webhook: WebhookId::new(1, 1), event, attempts: 0 }
    }

    fn setting(claimed_per_webhook: usize) -> (Places, HashMap<WebhookId, Arc<Webhook>>) {
        let places = Places::new(&DeliverConfig { claimed_per_webhook, ..DeliverConfig::default() });
        let webhook = Arc::new(testing::webhook(1));
        (places, HashMap::from([(webhook.id.clone(), webhook)]))
    }

    fn runs(places: &Places, webhooks: &HashMap<WebhookId, Arc<Webhook>>, heads: Vec<Claimed>) -> Vec<Run> {
        let run = |head: Claimed| {
            let place = places.take(&webhooks[&head.webhook]).expect("a place");
            Run::new(head, place, Instant::now())
        };
        heads.into_iter().map(run).collect()
    }

    fn seqs(run: &Run) -> Vec<i64> {
        run.events().map(|e| e.seq).collect()
    }

    #[test]
    fn followers_join_their_lane_in_order_and_lanes_share_the_places() {
        let (places, webhooks) = setting(12);
        let mut runs = runs(&places, &webhooks, vec![claimed(1, "a"), claimed(2, "b")]);
        let followers = [(3, "a"), (4, "a"), (5, "a"), (6, "b"), (7, "b"), (8, "b"), (9, "c")];
        join(&mut runs, followers.map(|(seq, lane)| claimed(seq, lane)).into(), &webhooks, &places);
        assert_eq!((seqs(&runs[0]), seqs(&runs[1])), (vec![1, 3, 4], vec![2, 6, 7]), "six is half of the places");
    }

    #[test]
    fn followers_are_asked_for_as_far_as_there_is_room() {
        let (places, webhooks) = setting(24);
        let heads = [claimed(1, "a"), claimed(2, "b")];
        let (ids, per_lane) = wanted_behind(&heads, &webhooks, &places, 32);
        assert_eq!((ids.len(), per_lane), (2, 5));
        assert_eq!(wanted_behind(&heads, &webhooks, &places, 3).1, 2, "the head counts");
        assert!(wanted_behind(&heads, &webhooks, &places, 1).0.is_empty());
        let ill = Webhook { failing_since: Some(portico_core::time::UtcMs(1)), ..testing::webhook(1) };
        let ill = HashMap::from([(ill.id.clone(), Arc::new(ill))]);
        assert!(wanted_behind(&heads, &ill, &places, 32).0.is_empty());
    }

    #[test]
    fn batches_for_the_plugin_keep_runs_whole() {
        let (places, webhooks) = setting(1024);
        let mut runs = runs(&places, &webhooks, (0..4).map(|n| claimed(n, &n.to_string())).collect());
        let followers = (0..160).map(|n| claimed(4 + n, &(n % 4).to_string())).collect();
        join(&mut runs, followers, &webhooks, &places);
        let batches = format_batches(runs);
        assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2]);
        assert!(batches.iter().all(|b| b.iter().map(Run::len).sum::<usize>() <= FORMAT_BATCH));
    }
}
