//! A layer for every Engine.IO request, which keeps the records of sessions.

use std::sync::Arc;

use axum::{
    body::{Body, to_bytes},
    extract::{ConnectInfo, Request, State},
    http::{Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::engine_session::EngineSessions;
use crate::{
    error::Error,
    listener::{ConnInfo, KillSwitch, engine_io},
};

/// Gives a session that begins its record, and notes what the requests of others mean for theirs.
pub(super) async fn attend(State(sessions): State<Arc<EngineSessions>>, mut request: Request, next: Next) -> Response {
    let connection = request.extensions().get::<ConnectInfo<ConnInfo>>().map(|ConnectInfo(info)| info.kill.clone());
    let is_upgrade = request.headers().contains_key(header::UPGRADE);
    let Some(id) = engine_io::session(request.uri()) else {
        return begin(&sessions, connection.filter(|_| is_upgrade), request, next).await;
    };
    let Some(session) = sessions.find(id) else { return next.run(request).await };
    session.note_request();
    match *request.method() {
        Method::GET if is_upgrade => {
            // The code that sees the client choose this WebSocket notes it.
            request.extensions_mut().insert(session);
            next.run(request).await
        }
        Method::GET => {
            let poll = session.poll();
            let (parts, body) = next.run(request).await.into_parts();
            match to_bytes(body, usize::MAX).await {
                Ok(packets) => {
                    poll.answered(&packets, connection);
                    Response::from_parts(parts, Body::from(packets))
                }
                Err(error) => Error::Unavailable(error.into()).into_response(),
            }
        }
        Method::POST => {
            let _lock = session.lock_posts().await;
            request.extensions_mut().insert(session);
            next.run(request).await
        }
        _ => next.run(request).await,
    }
}

/// A handshake: a session that begins by polling has its id in the answer.
async fn begin(
    sessions: &Arc<EngineSessions>,
    websocket: Option<KillSwitch>,
    mut request: Request,
    next: Next,
) -> Response {
    let session = sessions.begin(websocket);
    request.extensions_mut().insert(Arc::clone(&session));
    let library = next.clone();
    let response = next.run(request).await;
    if response.status() != StatusCode::OK {
        return response;
    }
    let (parts, body) = response.into_parts();
    match to_bytes(body, usize::MAX).await {
        Ok(packet) => {
            session.opened(&packet, library);
            Response::from_parts(parts, Body::from(packet))
        }
        Err(error) => Error::Unavailable(error.into()).into_response(),
    }
}
