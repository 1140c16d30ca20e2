use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use portico_core::event::Event;
use portico_core::id::WebhookId;
use portico_core::ports::Outbound;
use portico_core::ports::outbound::{Fetched, OutboundError, OutboundRequest, OutboundResponse};
use portico_core::webhook::signature::{Secret, SecretForm};
use portico_core::webhook::{FormatData, Headers};
use tokio::sync::{Semaphore, mpsc};

use super::*;
use crate::config::DeliverConfig;
use crate::tasks::{Tasks, lock};
use crate::testing;

/// A receiver that answers with these, one after the other, and gets one request at a time.
struct Receiver(Mutex<VecDeque<u16>>, Semaphore);

#[async_trait]
impl Outbound for Receiver {
    fn check_url(&self, _: &str) -> Result<(), OutboundError> {
        Ok(())
    }

    async fn send(&self, _: OutboundRequest) -> Result<OutboundResponse, OutboundError> {
        let _alone = self.1.try_acquire().expect("one request at a time");
        tokio::task::yield_now().await;
        let status = lock(&self.0).pop_front().expect("no more requests than answers");
        Ok(OutboundResponse { status, retry_after: None, body: Vec::new() })
    }

    async fn fetch(&self, _: &str, _: std::time::Duration) -> Result<Fetched, OutboundError> {
        Err(OutboundError::Dns)
    }
}

fn claimed_in(seq: i64, lane: &str) -> Claimed {
    let event = Event { lane: lane.into(), ..testing::event(seq) };
    let id = DeliveryId::new(1, u128::try_from(seq).unwrap_or_default());
    Claimed { id, tenant: testing::tenant(), webhook: WebhookId::new(1, 1), event, attempts: 0, shaped_by: None }
}

fn claimed(seq: i64) -> Claimed {
    claimed_in(seq, "chat")
}

fn lane_of(slots: &Slots, first: Claimed, behind: Vec<Claimed>, start_by: Instant) -> Lane {
    let webhook = Arc::new(testing::webhook(1));
    let slot = slots.take(&webhook).expect("a slot");
    let mut lane = Lane::new(webhook, first, slot, start_by);
    lane.add(behind, slots);
    lane
}

/// Delivers a lane of four whose second is skipped; what came of it, and how many slots are taken until that is recorded.
async fn delivered(answers: &[u16], config: DeliverConfig, start_by: Instant) -> (Vec<DeliveryState>, usize) {
    let mut services = Arc::into_inner(testing::services()).expect("the only one");
    let answers = answers.iter().copied().collect();
    let receiver = Arc::new(Receiver(Mutex::new(answers), Semaphore::new(1)));
    services.outbound = receiver.clone();
    let (outcomes, mut received) = mpsc::channel(1);
    let slots = Slots::new(&config);
    let poster = Arc::new(Poster {
        services: Arc::new(services),
        tasks: Tasks::default(),
        outcomes,
        slots: slots.clone(),
        config: config.clone(),
    });
    let lane = lane_of(&slots, claimed(1), (2..5).map(claimed).collect(), start_by);
    let parts = || format::default_parts(&testing::event(1));
    let bodies = vec![
        Body::Formatted(parts(), "digest".into()),
        Body::Skip,
        Body::Default(parts()),
        Body::Formatted(parts(), "digest".into()),
    ];
    let secret = Secret::unsealed(vec![7; 32], SecretForm::Whsec);
    let opened = Opened { secret, headers: Headers::new(), format_data: FormatData::new() };
    poster.deliver_lane(lane, Arc::new(opened), bodies).await;
    let outcome = received.try_recv().expect("one outcome for the whole part");
    assert!(received.try_recv().is_err());
    assert!(outcome.goes_on_with.is_none(), "the store of this test has no next part");
    assert!(lock(&receiver.0).is_empty(), "every answer was fetched");
    (outcome.results.iter().map(|(r, _)| r.state).collect(), config.slots_max - slots.free())
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

#[tokio::test]
async fn a_lane_goes_on_while_the_receiver_accepts() {
    use DeliveryState::{Delivered, Pending, Skipped};
    let run = async |answers: &[u16]| delivered(answers, DeliverConfig::default(), soon()).await;
    assert_eq!(run(&[200, 204, 200]).await, (vec![Delivered, Skipped, Delivered, Delivered], 1));
    assert_eq!(run(&[200, 500]).await, (vec![Delivered, Skipped, Pending], 1), "the rest stays as it is");
    assert_eq!(run(&[503]).await, (vec![Pending], 1));
}

#[tokio::test]
async fn a_lane_ends_with_its_time() {
    use DeliveryState::{Delivered, Pending, Skipped};
    let short = DeliverConfig { lane_run_time: Duration::ZERO, ..DeliverConfig::default() };
    assert_eq!(delivered(&[200], short, soon()).await, (vec![Delivered, Skipped], 1));
    let late = delivered(&[], DeliverConfig::default(), Instant::now()).await;
    assert_eq!(late, (vec![Pending], 1), "the first is put back");
}

#[tokio::test]
async fn batches_for_the_plugin_keep_lanes_whole() {
    let slots = Slots::new(&DeliverConfig::default());
    let lane = |n: i64| {
        let name = n.to_string();
        let behind = (0..40).map(|k| claimed_in(100 + n * 40 + k, &name)).collect();
        lane_of(&slots, claimed_in(n, &name), behind, soon())
    };
    let batches = format_batches((0..4).map(lane).collect());
    assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2]);
    assert!(batches.iter().all(|b| b.iter().map(Lane::len).sum::<usize>() <= FORMAT_BATCH));
}
