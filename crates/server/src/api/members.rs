//! `/api/v1/members`: the people of the caller's company. A member signs in by a one-time link or by the OpenID provider.

use std::str::FromStr as _;

use axum::extract::{Request, State};
use hyper::{StatusCode, Uri};
use loopfour_engine::MemberId;
use loopfour_store::{Holder, MemberChange, MemberError, MemberRow, Role, Scope};
use serde::Serialize;

use crate::App;
use crate::auth::{Caller, Id};
use crate::body::{self, Fields, kind};
use crate::envelope::{Answer, Meta};
use crate::error::{Code, Error};
use crate::query::{List, Query};
use crate::view::Time;

/// Longest e-mail address, characters.
const LONGEST_ADDRESS: usize = 254;

#[derive(Serialize)]
struct Invited {
    id: MemberId,
    link: String,
}

/// A member in a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MemberItem<'a> {
    id: MemberId,
    email: &'a str,
    role: &'static str,
    active: bool,
    last_seen_at: Option<Time>,
    created_at: Time,
    updated_at: Time,
}

impl<'a> MemberItem<'a> {
    fn of(row: &'a MemberRow) -> MemberItem<'a> {
        MemberItem {
            id: row.id,
            email: &row.email,
            role: row.role.name(),
            active: row.active,
            last_seen_at: row.last_seen_at.map(Time),
            created_at: Time(row.created_at),
            updated_at: Time(row.updated_at),
        }
    }
}

/// `GET /members`, inactive ones too.
///
/// # Errors
/// 400, 401, 403.
pub async fn list(State(app): State<App>, caller: Caller, uri: Uri) -> Result<Answer, Error> {
    caller.needs(Scope::Admin)?;
    let mut query = Query::of(&uri);
    let span = query.span(List::Members);
    query.finish()?;
    let page = app.store().members(caller.company(), span).await?;
    let items: Vec<MemberItem<'_>> = page.rows.iter().map(MemberItem::of).collect();
    Answer::with_meta(StatusCode::OK, &items, &Meta::list(List::Members, page.next))
}

/// `POST /members`: makes a member, and a link that signs the person in once. For a member who is there already, active and
/// with that role, it makes a new link in place of the one before.
///
/// # Errors
/// 403 without `admin`, and for a role with a scope that the caller has not; 409 for one who has another role or is not
/// active; 400, 401, 408, 413, 415.
pub async fn create(State(app): State<App>, caller: Caller, request: Request) -> Result<Answer, Error> {
    caller.needs(Scope::Admin)?;
    Query::of(request.uri()).finish()?;
    let mut fields = Fields::of(body::required_object(request).await?);
    let email = fields.required("email").and_then(|email| fields.text("email", &email, LONGEST_ADDRESS));
    if let Some(email) = email.as_deref().filter(|email| !email.is_empty() && !is_address(email)) {
        fields.problem("email", format!("`{email}` is not an e-mail address"));
    }
    let role = fields.required("role").and_then(|role| role_of(&role, &mut fields));
    fields.finish()?;
    let (email, role) = (email.unwrap_or_default(), role.unwrap_or(Role::Viewer));
    may_give(&caller, role)?;
    let (company, by, now) = (caller.company(), caller.actor(), app.now());
    let member = match app.store().create_member(company, &email, role, &by, now).await {
        Err(MemberError::Exists(_)) => known(&app, &caller, &email, role).await?,
        made => made.map_err(|error| refusal(error, &email))?,
    };
    let link = app.store().invite(company, member.id, &by, now).await;
    let link = link.map_err(|error| refusal(error, &email))?;
    let link = format!("{}/login#token={}", app.settings().public_url, link.token.reveal());
    Answer::new(StatusCode::CREATED, &Invited { id: member.id, link })
}

/// The member of that address, who is to have a new link.
async fn known(app: &App, caller: &Caller, email: &str, role: Role) -> Result<MemberRow, Error> {
    let members = app.store().members_by_email(email).await?;
    let member = members.into_iter().find(|member| member.company == caller.company());
    let conflict = |message: String| Err(Error::new(Code::Conflict, message));
    match member {
        Some(member) if !member.active => {
            conflict(format!("`{email}` is a member already and not active; activate {} first", member.id))
        }
        Some(member) if member.role != role => conflict(format!(
            "`{email}` is a member already, with the role `{}`; change {} instead",
            member.role.name(),
            member.id
        )),
        Some(member) => Ok(member),
        None => Err(Error::internal("a member is there and is not")),
    }
}

/// `PATCH /members/:id`: what is changed counts at once. Who is no longer active has no key and no session any more.
///
/// # Errors
/// 403 without `admin`, and for a role with a scope that the caller has not; 404; 409 for deactivating oneself; 400, 401,
/// 408, 413, 415.
pub async fn update(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<MemberId>,
    request: Request,
) -> Result<Answer, Error> {
    caller.needs(Scope::Admin)?;
    Query::of(request.uri()).finish()?;
    let mut fields = Fields::of(body::required_object(request).await?);
    let role = fields.value("role").and_then(|role| role_of(&role, &mut fields));
    let active = fields.boolean("active");
    fields.finish()?;
    let old = app.store().member(caller.company(), id).await?;
    let old = old.ok_or_else(|| Error::missing("member", &id.to_string()))?;
    // To take rights away needs none of them.
    let new = role.unwrap_or(old.role);
    if new != old.role || (active == Some(true) && !old.active) {
        may_give(&caller, new)?;
    }
    let is_oneself = match &caller.principal.holder {
        Holder::Member { id: own, .. } => *own == id,
        Holder::Key { member, .. } => *member == Some(id),
    };
    if is_oneself && (active == Some(false) || role.is_some_and(|role| role != Role::Admin)) {
        let message = "you cannot take your own rights away; another admin can";
        return Err(Error::new(Code::InvalidState, message));
    }
    let change = MemberChange { role, active };
    let updated = app.store().update_member(caller.company(), id, change, &caller.actor(), app.now()).await;
    let updated = updated.map_err(|error| refusal(error, &id.to_string()))?;
    Answer::new(StatusCode::OK, &MemberItem::of(&updated))
}

fn refusal(error: MemberError, who: &str) -> Error {
    match error {
        MemberError::Missing(_) => Error::missing("member", who),
        MemberError::Exists(_) | MemberError::OtherPerson(_) => Error::new(Code::Conflict, error.to_string()),
        MemberError::Inactive(_) => Error::new(Code::InvalidState, error.to_string()),
        MemberError::Storage(cause) => cause.into(),
    }
}

/// Nobody gives what they have not.
fn may_give(caller: &Caller, role: Role) -> Result<(), Error> {
    role.scopes().iter().try_for_each(|scope| caller.needs(*scope))
}

fn role_of(value: &loopfour_lang::Value, fields: &mut Fields) -> Option<Role> {
    let loopfour_lang::Value::Text(name) = value else {
        fields.problem("role", format!("`role` must be text, not {}", kind(value)));
        return None;
    };
    let role = Role::from_str(name).ok();
    if role.is_none() {
        fields.unknown("role", "role", name, &Role::ALL.map(Role::name));
    }
    role
}

/// Whether it has the form of an address; whether somebody reads it only a mail can tell.
fn is_address(text: &str) -> bool {
    let strange = |c: char| c.is_whitespace() || c.is_control() || "\"(),:;<>[\\]`".contains(c);
    let plain = |part: &str| !part.is_empty() && !part.contains(strange);
    match text.rsplit_once('@') {
        Some((name, host)) => {
            let dots = !host.starts_with('.') && !host.ends_with('.') && !host.contains("..");
            plain(name) && plain(host) && !name.contains('@') && dots
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_address;

    #[test]
    fn addresses_have_a_name_and_a_host() {
        for good in ["ada@example.com", "a+b@x", "Ada.Lovelace@mail.example.co.uk", "ä@bücher.example"] {
            assert!(is_address(good), "{good}");
        }
        for bad in [
            "",
            "ada",
            "@x",
            "ada@",
            "a@b@c",
            "a b@c",
            "ada@ex ample",
            "a@.x",
            "a@x.",
            "a@x..y",
            "a@x\n",
            "<a@x>",
            "a@x,b",
        ] {
            assert!(!is_address(bad), "{bad}");
        }
    }
}
