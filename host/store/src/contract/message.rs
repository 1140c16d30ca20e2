//! Messages.

use std::collections::BTreeSet;

use portico_core::address::Party;
use portico_core::message::{Content, Direction, Message, MessageStatus, SendFailure, StatusTimes};
use portico_core::page::PageRequest;
use portico_core::ports::store::{MessageFilter, MessageTx};

use crate::testing::{Fixture, page};

const ADA: &str = "15550100002@s.whatsapp.net";
const BOB: &str = "15550100003@s.whatsapp.net";
const GROUP: &str = "120363000000000001@g.us";

pub(super) async fn a_message_survives_the_round_trip(fx: &'static Fixture) {
    let tenant = fx.tenant("t").await;
    let device = fx.device(tenant).await;
    let mut message = fx.message(device, Direction::In, GROUP, "A1");
    message.sender = Party::person(Some("15550100002"), Some("100000000000001"));
    message.sender_name = Some("Ada".to_owned());
    message.content = Content::Other { kind: "image".to_owned(), text: Some("look 👀".to_owned()) };
    fx.stored(&message).await;
    let other = fx.device(tenant).await;
    fx.read(move |tx| {
        let found = tx.message_find(tenant, &device.id, &message.id).unwrap().unwrap();
        assert_eq!(serde_json::to_value(&found).unwrap(), serde_json::to_value(&message).unwrap());
        assert!(tx.message_find(tenant, &other.id, &message.id).unwrap().is_none());
    })
    .await;
}

pub(super) async fn a_message_is_stored_once(fx: &'static Fixture) {
    let tenant = fx.tenant("t").await;
    let device = fx.device(tenant).await;
    let message = fx.message(device, Direction::In, GROUP, "A1");
    fx.stored(&message).await;
    let again = fx.message(device, Direction::In, GROUP, "A1");
    let mut of_another = fx.message(device, Direction::In, GROUP, "A1");
    of_another.sender = Some(Party::single(BOB));
    let mut own = fx.message(device, Direction::In, GROUP, "A1");
    own.sender = None;
    let mut own_again = own.clone();
    own_again.id = fx.message(device, Direction::In, GROUP, "A1").id;
    let elsewhere = fx.message(device, Direction::In, ADA, "A1");
    let fresh = BTreeSet::from([of_another.id.clone(), own.id.clone(), elsewhere.id.clone()]);
    let batch = [again, of_another, own, own_again, elsewhere];
    fx.undone(move |tx| {
        assert_eq!(tx.message_insert(&batch).unwrap(), fresh, "one for each chat, sender and id");
        assert!(tx.message_insert(&batch).unwrap().is_empty());
        assert!(tx.message_insert(&[]).unwrap().is_empty());
    })
    .await;
}

pub(super) async fn lists_filter_and_page(fx: &'static Fixture) {
    let tenant = fx.tenant("t").await;
    let device = fx.device(tenant).await;
    let mut ids = Vec::new();
    for (n, (direction, chat)) in
        [(Direction::In, ADA), (Direction::Out, ADA), (Direction::In, BOB), (Direction::Out, BOB)]
            .into_iter()
            .enumerate()
    {
        let message = fx.message(device, direction, chat, &n.to_string());
        fx.stored(&message).await;
        ids.push(message.id);
    }
    fx.read(move |tx| {
        let cases = [
            (MessageFilter::default(), vec![3, 2, 1, 0]),
            (MessageFilter { chat: Some(ADA.to_owned()), ..MessageFilter::default() }, vec![1, 0]),
            (MessageFilter { direction: Some(Direction::Out), ..MessageFilter::default() }, vec![3, 1]),
            (MessageFilter { status: Some(MessageStatus::Received), ..MessageFilter::default() }, vec![2, 0]),
            (
                MessageFilter {
                    chat: Some(BOB.to_owned()),
                    direction: Some(Direction::In),
                    status: Some(MessageStatus::Received),
                    whatsapp_id: None,
                },
                vec![2],
            ),
        ];
        for (filter, wanted) in cases {
            let found = tx.message_list(tenant, &device.id, &filter, &page(10)).unwrap();
            let found: Vec<_> = found.into_iter().map(|m| m.id).collect();
            let wanted: Vec<_> = wanted.into_iter().map(|n: usize| ids[n].clone()).collect();
            assert_eq!(found, wanted, "{filter:?}");
        }
        let second = PageRequest { before: Some(ids[3].to_string()), ..PageRequest::first(1) };
        let found = tx.message_list(tenant, &device.id, &MessageFilter::default(), &second).unwrap();
        assert_eq!(found.len(), 2, "one more than asked for");
        assert_eq!(found[0].id, ids[2]);
    })
    .await;
}

pub(super) async fn a_list_tells_the_bytes_of_its_contents(fx: &'static Fixture) {
    let tenant = fx.tenant("t").await;
    let device = fx.device(tenant).await;
    // Longer than fits a page of either database, in two bytes a character.
    for (n, (chat, text)) in
        [(ADA, "a".to_owned()), (BOB, "é".repeat(40_000)), (ADA, "abc".to_owned())].iter().enumerate()
    {
        let mut message = fx.message(device, Direction::In, chat, &n.to_string());
        message.content = Content::Text { text: text.clone() };
        fx.stored(&message).await;
    }
    let filters = [
        MessageFilter::default(),
        MessageFilter { chat: Some(ADA.to_owned()), ..MessageFilter::default() },
        MessageFilter { direction: Some(Direction::Out), ..MessageFilter::default() },
    ];
    fx.read(move |tx| {
        for filter in filters {
            for limit in [1, 9] {
                let page = page(limit);
                let listed = tx.message_list(tenant, &device.id, &filter, &page).unwrap();
                let wanted: Vec<_> =
                    listed.iter().map(|m| serde_json::to_string(&m.content).unwrap().len() as u64).collect();
                let bytes = tx.message_list_bytes(tenant, &device.id, &filter, &page).unwrap();
                assert_eq!(bytes, wanted, "{filter:?} {limit}");
            }
        }
    })
    .await;
}

pub(super) async fn steps_set_their_time_and_clear_nothing(fx: &'static Fixture) {
    let tenant = fx.tenant("t").await;
    let device = fx.device(tenant).await;
    let mut message = fx.message(device, Direction::Out, ADA, "OUT1");
    let mut other = fx.message(device, Direction::Out, BOB, "OUT2");
    fx.stored(&message).await;
    fx.stored(&other).await;
    let progress = move |tx: &mut crate::db::DbTx<'_>| {
        assert!(!tx.message_sent_before(&device.id, ADA).unwrap(), "queued does not count");
        let [sent, delivered, read, played, failed] = [(); 5].map(|()| Some(fx.now()));
        message.status = MessageStatus::Played;
        message.times = StatusTimes { sent, delivered, read, played, failed: None };
        other.status = MessageStatus::Failed;
        other.times.failed = failed;
        other.error = Some(SendFailure { code: "refused".to_owned(), text: "no".to_owned() });
        tx.message_progress(&[message.clone(), other.clone()]).unwrap();
        assert!(tx.message_sent_before(&device.id, ADA).unwrap());
        assert!(!tx.message_sent_before(&device.id, BOB).unwrap());
        // A caller that knows less takes nothing away.
        let known = Message { times: StatusTimes::default(), error: None, ..other.clone() };
        tx.message_progress(&[known]).unwrap();
        (message, other)
    };
    let (message, other) = fx.write(progress).await;
    let ids = ["OUT2".to_owned(), "OUT1".to_owned(), "OUT1".to_owned(), "none".to_owned()];
    let found = fx.read(move |tx| tx.message_find_sent(&device.id, &ids).unwrap()).await;
    let seen: Vec<_> = found.iter().map(|m| (m.status, m.times, m.error.clone())).collect();
    assert_eq!(seen, [&message, &other].map(|m| (m.status, m.times, m.error.clone())));
}

pub(super) async fn the_queue_keeps_its_order(fx: &'static Fixture) {
    let tenant = fx.tenant("t").await;
    let device = fx.device(tenant).await;
    let mut messages: Vec<_> = (0..4).map(|n| fx.message(device, Direction::Out, ADA, &n.to_string())).collect();
    let ids: Vec<_> = messages.iter().map(|m| m.id.clone()).collect();
    fx.undone(move |tx| {
        tx.message_insert(&messages).unwrap();
        messages[1].status = MessageStatus::Sent;
        tx.message_progress(&messages[1..2]).unwrap();
        assert_eq!(tx.message_count_queued(&device.id).unwrap(), 3);
        let queued: Vec<_> = tx.message_queued(&device.id, None, 2).unwrap().into_iter().map(|m| m.id).collect();
        assert_eq!(queued, [ids[0].clone(), ids[2].clone()]);
        let queued: Vec<_> =
            tx.message_queued(&device.id, Some(&ids[2]), 9).unwrap().into_iter().map(|m| m.id).collect();
        assert_eq!(queued, [ids[3].clone()]);
    })
    .await;
}

pub(super) async fn text_that_postgres_refuses_is_cleaned(fx: &'static Fixture) {
    let tenant = fx.tenant("t").await;
    let device = fx.device(tenant).await;
    let mut message = fx.message(device, Direction::In, ADA, "A\u{0}1");
    message.sender_name = Some("A\u{0}da".to_owned());
    message.content = Content::Text { text: "a\u{0}b".to_owned() };
    fx.stored(&message).await;
    fx.undone(move |tx| {
        let found = tx.message_find(tenant, &device.id, &message.id).unwrap().unwrap();
        assert_eq!((found.sender_name.as_deref(), found.whatsapp_id.as_str()), (Some("Ada"), "A1"));
        assert_eq!(found.content, message.content, "JSON can say it");
        assert!(tx.message_insert(&[fx.message(device, Direction::In, ADA, "A\u{0}1")]).unwrap().is_empty());
    })
    .await;
}

pub(super) async fn messages_are_found_by_whatsapps_id(fx: &'static Fixture) {
    let (tenant, other) = (fx.tenant("t").await, fx.tenant("u").await);
    let (a, b, theirs) = (fx.device(tenant).await, fx.device(tenant).await, fx.device(other).await);
    let first = fx.message(a, Direction::In, ADA, "W1");
    let second = fx.message(a, Direction::Out, BOB, "W1");
    let third = fx.message(b, Direction::In, ADA, "W1");
    for message in [&first, &second, &third, &fx.message(a, Direction::In, ADA, "W2")] {
        fx.stored(message).await;
    }
    fx.stored(fx.message(theirs, Direction::In, ADA, "W1")).await;
    fx.read(move |tx| {
        let ids = |list: Vec<Message>| list.into_iter().map(|m| m.id).collect::<Vec<_>>();
        let all = [third.id.clone(), second.id.clone(), first.id.clone()];
        assert_eq!(ids(tx.message_by_whatsapp_id(tenant, None, "W1", 9).unwrap()), all);
        assert_eq!(ids(tx.message_by_whatsapp_id(tenant, None, "W1", 1).unwrap()), all[..1]);
        assert_eq!(ids(tx.message_by_whatsapp_id(tenant, Some(&a.id), "W1", 9).unwrap()), all[1..]);
        assert!(tx.message_by_whatsapp_id(tenant, Some(&theirs.id), "W1", 9).unwrap().is_empty());
        assert_eq!(tx.message_find_anywhere(tenant, &third.id).unwrap().map(|m| m.device), Some(b.id.clone()));
        assert!(tx.message_find_anywhere(other, &third.id).unwrap().is_none());
        let one = MessageFilter { whatsapp_id: Some("W1".to_owned()), ..MessageFilter::default() };
        let of_ada = MessageFilter { chat: Some(ADA.to_owned()), ..one.clone() };
        let offset = PageRequest { offset: 1, ..page(9) };
        assert_eq!(ids(tx.message_list(tenant, &a.id, &one, &page(9)).unwrap()), all[1..]);
        assert_eq!(ids(tx.message_list(tenant, &a.id, &one, &offset).unwrap()), all[2..]);
        assert_eq!(tx.message_list_bytes(tenant, &a.id, &one, &offset).unwrap().len(), 1);
        assert_eq!(ids(tx.message_list(tenant, &a.id, &of_ada, &page(9)).unwrap()), all[2..]);
        let mut total = |filter: &MessageFilter, most| tx.message_total(tenant, &a.id, filter, most).unwrap();
        assert_eq!((total(&one, 9), total(&of_ada, 9), total(&MessageFilter::default(), 9)), (2, 1, 3));
        let chat = MessageFilter { chat: Some(ADA.to_owned()), ..MessageFilter::default() };
        assert_eq!((total(&chat, 9), total(&chat, 1)), (2, 1));
    })
    .await;
}
