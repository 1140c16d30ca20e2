//! Filters that nobody can be asked to write well.

use portico_core::message::Direction;
use portico_core::ports::store::{MessageFilter, MessageTx};

use crate::testing::{Fixture, page};

pub(super) async fn text_that_postgres_refuses_is_looked_for_without_it(fx: &'static Fixture) {
    let tenant = fx.tenant("t").await;
    let device = fx.device(tenant).await;
    fx.stored(fx.message(device, Direction::Out, "a\u{0}b", "W\u{0}1")).await;
    fx.read(move |tx| {
        for (chat, rows) in [("a\u{0}b", 1), ("ab\u{0}", 1), ("\u{0}", 0)] {
            let filter = MessageFilter { chat: Some(chat.to_owned()), ..MessageFilter::default() };
            assert_eq!(tx.message_list(tenant, &device.id, &filter, &page(9)).unwrap().len(), rows, "{chat:?}");
            assert_eq!(tx.message_list_bytes(tenant, &device.id, &filter, &page(9)).unwrap().len(), rows, "{chat:?}");
        }
        let sent = tx.message_find_sent(&device.id, &["W\u{0}1".to_owned(), "\u{0}".to_owned()]).unwrap();
        assert_eq!(sent.len(), 1);
        assert!(!tx.message_sent_before(&device.id, "a\u{0}b").unwrap());
    })
    .await;
}
