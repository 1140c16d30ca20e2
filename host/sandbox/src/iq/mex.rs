//! `w:mex`: GraphQL operations, named by document id. WhatsApp changes ids with its releases; [`OPERATIONS`] is the
//! table to extend then.

mod channels;
mod groups;

use serde_json::{Value, json};
use whatsapp_rust::wacore::iq::mex_operations as operations;
use whatsapp_rust::wacore_binary::Node;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;

use super::Request;
use crate::network::Network;
use crate::relay::Author;
use crate::stanza::{attr_or_empty, content, error, result};

/// One operation: the data it answers, or the code and text of a GraphQL error.
type Operation = fn(&Network, &Author, &Value) -> Answer;
type Answer = Result<Value, (u16, &'static str)>;

const BAD_REQUEST: (u16, &str) = (400, "bad-request");
const FORBIDDEN: (u16, &str) = (403, "forbidden");
const NOT_FOUND: (u16, &str) = (404, "item-not-found");

/// What is answered, by document id.
const OPERATIONS: [(&str, Operation); 13] = [
    (operations::create_newsletter::DOC_ID, channels::create),
    (operations::fetch_newsletter::DOC_ID, channels::fetch),
    (operations::fetch_all_newsletters_metadata::DOC_ID, channels::subscribed),
    (operations::join_newsletter::DOC_ID, channels::join),
    (operations::leave_newsletter::DOC_ID, channels::leave),
    (operations::update_newsletter::DOC_ID, channels::update),
    (operations::delete_newsletter::DOC_ID, channels::delete),
    (operations::update_newsletter_user_setting::DOC_ID, channels::user_setting),
    (operations::fetch_reachout_timelock::DOC_ID, time_lock),
    (operations::fetch_new_chat_message_capping_info::DOC_ID, quota),
    (operations::fetch_all_subgroups::DOC_ID, groups::sub_groups),
    (operations::query_subgroup_participant_count::DOC_ID, groups::counts),
    (operations::update_group_property::DOC_ID, groups::update),
];

fn time_lock(_: &Network, author: &Author, _: &Value) -> Answer {
    let restriction = author.account.with(|state| state.restriction);
    Ok(json!({"xwa2_fetch_account_reachout_timelock": restriction.time_lock()}))
}

fn quota(_: &Network, author: &Author, _: &Value) -> Answer {
    let restriction = author.account.with(|state| state.restriction);
    Ok(json!({"xwa2_message_capping_info": restriction.quota()}))
}

/// Answers one operation.
pub(super) fn answer(network: &Network, author: &Author, request: &Request<'_>) -> Node {
    let Some(query) = request.child else {
        return error(request.id, 400, "bad-request");
    };
    let id = attr_or_empty(query, "query_id");
    let Some((_, operation)) = OPERATIONS.iter().find(|(known, _)| *known == id) else {
        return super::unknown(network, request.id, request.node);
    };
    let body: Option<Value> = content(query).and_then(|bytes| serde_json::from_slice(bytes).ok());
    let Some(body) = body else {
        return error(request.id, 400, "bad-request");
    };
    let answer = match operation(network, author, body.get("variables").unwrap_or(&Value::Null)) {
        Ok(data) => json!({"data": data}),
        Err((code, text)) => json!({"data": null, "errors": [{
            "message": text,
            "extensions": {"error_code": code, "severity": "CRITICAL", "is_retryable": false, "is_summary": false},
        }]}),
    };
    result(request.id, vec![NodeBuilder::new("result").bytes(answer.to_string().into_bytes()).build()])
}
