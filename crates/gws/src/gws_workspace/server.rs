//! The routes of the Workspace API, and of the desktop's page. All are open at the gate: each of the API asks for its own proof, the cookie
//! of a session or a token.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{Method, Uri};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use axum::{Extension, Router};

use super::endpoints::{
    browser_phone, configuration, contacts, notifications, operations, peers, personal, reporting, schedule, session,
    targets, users, waiting,
};
use super::request::DeskRequest;
use super::{PATH, Workspace, published_pages};
use crate::bayeux_socket::SocketDoor;
use crate::sessions::answers::ApiRefusal;

/// Callers without a token of their own are served: gws-proxy passes on what desktops show.
pub(super) fn is_open(_: &Method, path: &str) -> bool {
    let is_of_api = path.strip_prefix(PATH).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    is_of_api || published_pages::is_open(path)
}

type DeskRoute = MethodRouter<Arc<Workspace>>;

/// The paths that are known, each with and without a slash at its end.
fn routes() -> Vec<(&'static str, DeskRoute)> {
    vec![
        ("/initialize-workspace", post(session::initialise)),
        ("/start", get(session::start)),
        ("/current-session", get(session::current)),
        ("/userinfo", get(session::current)),
        ("/auth-keep-alive", get(session::keep_alive)),
        ("/login", get(session::login)),
        ("/logout", get(session::logout_and_go_on).post(session::logout)),
        ("/info", get(session::info)),
        ("/version", get(session::info)),
        ("/doc", get(session::doc)),
        ("/notifications", get(notifications::open).post(notifications::take)),
        ("/notifications/handshake", post(notifications::take)),
        ("/notifications/connect", post(notifications::take)),
        ("/notifications/disconnect", post(notifications::take)),
        ("/notifications/subscribe", post(notifications::take)),
        ("/notifications/unsubscribe", post(notifications::take)),
        ("/configuration", get(configuration::all)),
        ("/configuration/{part}", get(configuration::part)),
        ("/configuration/business-attribute/{id}", get(configuration::business_attribute)),
        ("/configuration/places/{place}/dns", get(configuration::dns_of_place)),
        ("/activate-channels", post(operations::activate_channels)),
        ("/browser-phone", post(browser_phone::ticket)),
        ("/voice/calls", get(operations::calls)),
        ("/voice/calls/{id}/course", get(waiting::course)),
        ("/voice/{operation}", post(operations::voice)),
        ("/voice/calls/{id}/{operation}", post(operations::voice)),
        ("/targets/personal-favorites", get(personal::favourites)),
        ("/targets/personal-favorites/save", post(personal::save_favourite)),
        ("/targets/personal-favorites/delete/{type}/{id}", post(personal::remove_favourite)),
        ("/targets/recents", get(personal::recents)),
        ("/targets/recents/add", post(personal::add_recent)),
        ("/targets/recents/ack-missed-calls", post(personal::acknowledge)),
        ("/contacts", get(contacts::list).post(contacts::add)),
        ("/contacts/{id}", get(contacts::one).put(contacts::change).delete(contacts::remove)),
        ("/settings", get(personal::settings)),
        ("/settings/{name}", get(personal::setting).post(personal::save_setting).delete(personal::remove_setting)),
        ("/supervisor/voice/{operation}", post(users::supervise)),
        ("/supervisor/waiting-calls", get(waiting::list)),
        ("/supervisor/waiting-calls/{id}", get(waiting::why)),
        ("/supervisor/waiting-calls/{id}/move", post(waiting::move_call)),
        ("/schedule", get(schedule::own)),
        ("/supervisor/schedules", get(schedule::of_team)),
        ("/users", get(users::list)),
        ("/users/{user}/voice/{operation}", post(users::operate)),
        ("/targets", get(targets::search)),
        ("/targets/{type}/{id}", get(targets::one)),
        ("/reporting/subscriptions", get(reporting::peek_several).post(reporting::subscribe)),
        ("/reporting/subscriptions/{id}", get(reporting::peek).delete(reporting::unsubscribe)),
        ("/media/interactions", get(peers::open)),
        ("/media/chat/interactions/{id}/messages", get(peers::chat_messages)),
        ("/media/chat/interactions/{id}/{operation}", post(peers::chat)),
        ("/iwd/work-items", get(peers::work_items)),
        ("/iwd/work-items/{id}", get(peers::work_item)),
        ("/iwd/work-items/{id}/{operation}", post(peers::operate_work_item)),
        ("/ucs/{first}", post(peers::contacts)),
        ("/ucs/{first}/{second}", post(peers::contacts)),
        ("/ucs/{first}/{second}/{third}", post(peers::contacts)),
        ("/ucs/{first}/{second}/{third}/{fourth}", get(peers::document).post(peers::contacts)),
        ("/voicemail/mailboxes", get(peers::mailboxes)),
    ]
}

pub(super) fn router(workspace: Arc<Workspace>) -> Router {
    let mut router = Router::new();
    for (path, methods) in routes() {
        router = router.route(&format!("{PATH}{path}"), methods.clone()).route(&format!("{PATH}{path}/"), methods);
    }
    for page in published_pages::PATHS {
        for path in [page.to_owned(), format!("{page}/"), format!("{page}/{{*rest}}")] {
            router = router.route(&path, get(published_pages::page));
        }
    }
    let door = SocketDoor::new(workspace.parts.metrics.of_sockets(), workspace.sessions.drain.clone());
    router.fallback(not_served).with_state(workspace).layer(Extension(door))
}

/// An operation that Interaction Server carries out, that is not served, or that there is not. Only whoever has a session learns which of
/// them it is.
async fn not_served(
    State(workspace): State<Arc<Workspace>>,
    request: DeskRequest,
    method: Method,
    uri: Uri,
) -> Result<Response, ApiRefusal> {
    peers::not_served(&workspace, &request.session, &method, uri.path()).await
}
