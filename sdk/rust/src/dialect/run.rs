//! The interpreter: runs a row for a request.

use serde_json::{Map, Value};

use super::{Action, Call, Core, Dialect, Fault, Good, Route};
use crate::gateway::segment;
use crate::http::{HttpHandler, Outcome, Refusal, Request, Response, Transport};
use crate::{Context, HookError, http};

impl<D: Dialect> HttpHandler for D {
    fn routes() -> Vec<http::Route> {
        rows::<D>().map(declared).collect()
    }

    fn handle(ctx: &Context, request: Request, core: &dyn Transport) -> Result<Outcome, HookError> {
        let row = usize::try_from(request.route).ok().and_then(|at| rows::<D>().nth(at));
        let row = row.ok_or_else(|| HookError::InvalidInput("there is no such route".into()))?;
        let call = Call::<D>::new(&request, core, row.params().collect(), ctx);
        let answer = match &row.action {
            Action::NotServed => Err(Fault::not_served()),
            Action::Run(run) => run(&call),
            Action::Core(core) => asked(&call, core).map(D::good),
        };
        let mut fault = match answer {
            Ok(answer) => return Ok(Outcome::Answer(answer)),
            Err(fault) if fault.passes => return Ok(Outcome::Pass),
            Err(fault) => fault,
        };
        fault.at_ms = ctx.now;
        fault.call_id = ctx.call_id.as_str().into();
        if fault.path.is_empty() {
            fault.path = request.path.as_str().into();
        }
        Ok(Outcome::Answer(D::bad(&fault)))
    }

    fn refuse(ctx: &Context, why: Refusal) -> Result<Response, HookError> {
        Ok(D::bad(&Fault { at_ms: ctx.now, call_id: ctx.call_id.as_str().into(), ..why.into() }))
    }
}

/// Every row, in the order of its number.
pub(super) fn rows<D: Dialect>() -> impl Iterator<Item = &'static Route<D>> {
    D::ROUTES.iter().flat_map(|section| section.iter())
}

fn declared<D: Dialect>(row: &Route<D>) -> http::Route {
    let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    http::Route {
        method: row.method.into(),
        path: row.path.into(),
        auth: row.auth.unwrap_or(D::AUTH).iter().map(|set| texts(set)).collect(),
        limits: texts(row.limits),
        body_max: row.body_max,
        uploads: texts(row.uploads),
        multipart: row.multipart,
        page: row.page,
    }
}

/// Makes the request of a row and shapes its answer.
fn asked<D: Dialect>(call: &Call<D>, core: &Core) -> Result<Good, Fault> {
    let path = filled(call, core.path)?;
    if core.lists {
        let items = call.gateway.all::<Value>(&path)?;
        let items = match core.shape {
            Some(shape) => items.into_iter().map(shape).collect::<Result<_, _>>()?,
            None => items,
        };
        return Ok(Good { data: Some(Value::Array(items)), says: core.says });
    }
    let body = if core.fields.is_empty() { None } else { Some(renamed(call, core)?) };
    let answer = call.gateway.send(core.method, &path, body.as_ref())?;
    let data = match core.shape {
        Some(shape) => Some(shape(answer.json()?)?),
        None => None,
    };
    Ok(Good { data, says: core.says })
}

/// The path of the REST core with the row's parameters.
fn filled<D: Dialect>(call: &Call<D>, path: &str) -> Result<String, Fault> {
    let mut out = String::with_capacity(path.len() + 32);
    for part in path.split_inclusive('/') {
        match part.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
            Some((name, after)) => {
                out.push_str(&segment(&call.param(name)?));
                out.push_str(after);
            }
            None => out.push_str(part),
        }
    }
    Ok(out)
}

/// The members of the body under the names of the REST core; those that are absent stay absent.
fn renamed<D: Dialect>(call: &Call<D>, core: &Core) -> Result<Value, Fault> {
    let mut theirs: Map<String, Value> = call.json()?;
    let ours = core.fields.iter().filter_map(|f| Some((f.ours.to_owned(), theirs.remove(f.theirs)?)));
    Ok(Value::Object(ours.collect()))
}
