//! Who may do what, generated: every role, stranger included, with every action, in every kind of room, over REST and, where
//! there is an event for it, over the socket, with equal outcomes.

use serde_json::{Value, json};

use crate::support::{App, Person, Reply, Room, Socket, Transport, outcome_of, text};

const ROLES: [&str; 5] = ["owner", "admin", "member", "viewer", "stranger"];

/// Private, with a link, for all, and of two people.
const KINDS: [&str; 4] = ["private", "invite_only", "public", "direct"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    ReadHistory,
    ReadMessage,
    Receipts,
    Replies,
    Pins,
    SearchRoom,
    MarkAsRead,
    Send,
    Reply,
    React,
    Unreact,
    Type,
    EditOwn,
    DeleteOwn,
    DeleteAnothers,
    Pin,
    Unpin,
    Export,
    Update,
    Add,
    Remove,
    Mute,
    MakeViewer,
    MakeLink,
    RevokeLink,
    Invite,
    Ban,
    Unban,
    Bans,
    Audit,
    Join,
    Transfer,
    Delete,
}
use Action::*;

/// Who may, of the members of a group.
#[derive(Clone, Copy, PartialEq, Eq)]
enum May {
    All,
    Speakers,
    Admins,
    Owner,
}

const TABLE: [(Action, May); 32] = [
    (ReadHistory, May::All),
    (ReadMessage, May::All),
    (Receipts, May::All),
    (Replies, May::All),
    (Pins, May::All),
    (SearchRoom, May::All),
    (MarkAsRead, May::All),
    (Send, May::Speakers),
    (Reply, May::Speakers),
    (React, May::Speakers),
    (Unreact, May::All),
    (Type, May::Speakers),
    (EditOwn, May::All),
    (DeleteOwn, May::All),
    (DeleteAnothers, May::Admins),
    (Pin, May::Admins),
    (Unpin, May::Admins),
    (Export, May::Admins),
    (Update, May::Admins),
    (Add, May::Admins),
    (Remove, May::Admins),
    (Mute, May::Admins),
    (MakeViewer, May::Admins),
    (MakeLink, May::Admins),
    (RevokeLink, May::Admins),
    (Invite, May::Admins),
    (Ban, May::Admins),
    (Unban, May::Admins),
    (Bans, May::Admins),
    (Audit, May::Admins),
    (Transfer, May::Owner),
    (Delete, May::Owner),
];

/// What the contract says to somebody of this role.
fn expected(action: Action, may: May, role: &str, kind: &str) -> &'static str {
    if role == "stranger" {
        let is_of_message = matches!(
            action,
            ReadMessage | Receipts | Replies | React | Unreact | EditOwn | DeleteOwn | DeleteAnothers | Pin | Unpin
        );
        return if is_of_message { "MESSAGE_NOT_FOUND" } else { "ROOM_NOT_FOUND" };
    }
    let allowed = match may {
        May::All => true,
        May::Speakers => role != "viewer",
        May::Admins => kind != "direct" && matches!(role, "owner" | "admin"),
        May::Owner => kind != "direct" && role == "owner",
    };
    match action {
        _ if !allowed => "PERMISSION_DENIED",
        // a private room has no link, and nobody is invited to it
        MakeLink | Invite if kind == "private" => "PERMISSION_DENIED",
        RevokeLink if kind == "private" => "INVITE_NOT_FOUND",
        _ => "OK",
    }
}

/// Whether what follows would find less than it needs.
fn leaves_another_scene(action: Action) -> bool {
    matches!(action, DeleteOwn | DeleteAnothers | Add | Remove | Ban | Unban | Transfer | Delete)
}

struct Cast {
    owner: Person,
    others: [Person; 4],
    target: Person,
    outsider: Person,
}

struct Scene<'a> {
    cast: &'a Cast,
    actor: &'a Person,
    room: Room,
    own: String,
    anothers: String,
}

impl Cast {
    fn actor(&self, role: &str) -> &Person {
        ROLES
            .iter()
            .position(|one| *one == role)
            .and_then(|at| at.checked_sub(1))
            .map_or(&self.owner, |at| &self.others[at])
    }

    /// A room of this kind, with a message of the actor and one of the target.
    async fn scene(&self, role: &str, kind: &str) -> Scene<'_> {
        let actor = self.actor(role);
        let room = if kind == "direct" {
            let one = if role == "stranger" { &self.owner } else { actor };
            one.opens_a_direct_room_with(&self.target).await
        } else {
            let members: &[&Person] =
                if matches!(role, "owner" | "stranger") { &[&self.target] } else { &[actor, &self.target] };
            self.owner.opens(json!({"visibility": kind}), members).await
        };
        let own = if role == "stranger" { &self.target } else { actor };
        let own = text(&own.says(&room, "mine").await, "id");
        let anothers = text(&self.target.says(&room, "theirs").await, "id");
        if kind != "direct" {
            if matches!(role, "admin" | "viewer") {
                self.owner.makes(actor, role, &room).await;
            }
            if kind != "private" {
                self.owner.post(&room.path("/invite"), json!({})).await.ok();
            }
            self.owner.put(&room.path(&format!("/bans/{}", self.outsider.id)), json!({})).await.ok();
        }
        Scene { cast: self, actor, room, own, anothers }
    }
}

impl Scene<'_> {
    async fn by_rest(&self, action: Action) -> Option<Reply> {
        let Self { cast, actor, room, .. } = self;
        let own = format!("/api/chat/messages/{}", self.own);
        let anothers = format!("/api/chat/messages/{}", self.anothers);
        let target = room.path(&format!("/members/{}", cast.target.id));
        let ban = |person: &Person| room.path(&format!("/bans/{}", person.id));
        let message = |extra: Value| {
            let mut body = json!({"room_id": room.id, "content": "said"});
            body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            body
        };
        Some(match action {
            ReadHistory => actor.get(&room.path("/messages")).await,
            ReadMessage => actor.get(&anothers).await,
            Receipts => actor.get(&format!("{anothers}/receipts")).await,
            Replies => actor.get(&format!("{anothers}/replies")).await,
            Pins => actor.get(&room.path("/pins")).await,
            SearchRoom => actor.get(&format!("/api/chat/search?q=theirs&room_id={}", room.id)).await,
            MarkAsRead => actor.post(&room.path("/read"), json!({"message_ids": [self.anothers]})).await,
            Send => actor.post("/api/chat/messages", message(json!({}))).await,
            Reply => actor.post("/api/chat/messages", message(json!({"reply_to_id": self.anothers}))).await,
            React => actor.post(&format!("{anothers}/reactions"), json!({"emoji": "👍"})).await,
            Unreact => actor.delete(&format!("{anothers}/reactions/%F0%9F%91%8D")).await,
            Type => return None,
            EditOwn => actor.patch(&own, json!({"content": "changed"})).await,
            DeleteOwn => actor.delete(&own).await,
            DeleteAnothers => actor.delete(&anothers).await,
            Pin => actor.put(&format!("{anothers}/pin"), json!({})).await,
            Unpin => actor.delete(&format!("{anothers}/pin")).await,
            Export => actor.get(&room.path("/export")).await,
            Update => actor.patch(&room.path(""), json!({"name": "renamed"})).await,
            Add => actor.post(&room.path("/members"), json!({"user_ids": [cast.outsider.id]})).await,
            Remove => actor.delete(&target).await,
            Mute => actor.patch(&target, json!({"muted_until": "2999-01-01T00:00:00Z"})).await,
            MakeViewer => actor.patch(&target, json!({"role": "viewer"})).await,
            MakeLink => actor.post(&room.path("/invite"), json!({})).await,
            RevokeLink => actor.delete(&room.path("/invite")).await,
            Invite => actor.post(&room.path("/invitations"), json!({"email": "new@example.com"})).await,
            Ban => actor.put(&ban(&cast.target), json!({})).await,
            Unban => actor.delete(&ban(&cast.outsider)).await,
            Bans => actor.get(&room.path("/bans")).await,
            Audit => actor.get(&room.path("/audit")).await,
            Join => actor.post(&room.path("/join"), json!({})).await,
            Transfer => actor.post(&room.path("/transfer"), json!({"user_id": cast.target.id})).await,
            Delete => actor.delete(&room.path("")).await,
        })
    }

    async fn by_socket(&self, action: Action, socket: &Socket) -> Option<Value> {
        let id = &self.room.id;
        let reaction = json!({"message_id": self.anothers, "emoji": "👍"});
        let (name, data) = match action {
            ReadHistory => ("join_room", json!({"room_id": id, "after_seq": 0})),
            MarkAsRead => ("mark_as_read", json!({"room_id": id, "message_ids": [self.anothers]})),
            Send => ("send_message", json!({"room_id": id, "content": "said"})),
            Reply => ("send_message", json!({"room_id": id, "content": "said", "reply_to_id": self.anothers})),
            React => ("add_reaction", reaction),
            Unreact => ("remove_reaction", reaction),
            Type => ("typing", json!({"room_id": id})),
            EditOwn => ("edit_message", json!({"message_id": self.own, "content": "changed"})),
            DeleteOwn => ("delete_message", json!({"message_id": self.own})),
            DeleteAnothers => ("delete_message", json!({"message_id": self.anothers})),
            _ => return None,
        };
        Some(socket.emit_with_ack(name, data).answer().await)
    }
}

/// Catches a wrong cell, and a rule that one transport keeps and another does not. The first seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_role_does_in_every_room_what_the_table_says_over_every_transport() {
    let app = App::start().await;
    let others = app.users(["admin", "member", "viewer", "stranger"]).await;
    let [owner, target, outsider] = app.users(["owner", "target", "outsider"]).await;
    let cast = Cast { owner, others, target, outsider };
    let mut wrong = Vec::new();
    for role in ROLES {
        let sockets = [
            cast.actor(role).connects_by(Transport::WebSocket, json!({})).await,
            cast.actor(role).connects_by(Transport::Polling, json!({})).await,
        ];
        for kind in KINDS {
            // in a direct room both are members
            if kind == "direct" && !matches!(role, "member" | "stranger") {
                continue;
            }
            let mut scene = cast.scene(role, kind).await;
            for (action, may) in TABLE {
                let expected = expected(action, may, role, kind);
                let changes_scene = expected == "OK" && leaves_another_scene(action);
                if let Some(reply) = scene.by_rest(action).await {
                    let outcome = if reply.status.is_success() { "OK".to_owned() } else { reply.outcome() };
                    if outcome != expected {
                        wrong.push(format!("{action:?} as {role}, {kind}, over REST: {reply}, expected {expected}"));
                    }
                    if changes_scene {
                        scene = cast.scene(role, kind).await;
                    }
                }
                for socket in &sockets {
                    let Some(answer) = scene.by_socket(action, socket).await else { break };
                    if outcome_of(&answer) != expected {
                        wrong.push(format!("{action:?} as {role}, {kind}, by socket: {answer}, expected {expected}"));
                    }
                    if changes_scene {
                        scene = cast.scene(role, kind).await;
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} cells are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn only_strangers_join_and_only_public_rooms() {
    let app = App::start().await;
    let others = app.users(["admin", "member", "viewer", "stranger"]).await;
    let [owner, target, outsider] = app.users(["owner", "target", "outsider"]).await;
    let cast = Cast { owner, others, target, outsider };
    for kind in KINDS {
        for role in ROLES {
            if kind == "direct" && !matches!(role, "member" | "stranger") {
                continue;
            }
            let expected = match (kind, role) {
                ("direct", _) => "ROOM_NOT_FOUND",
                ("public", "stranger") => "OK",
                (_, "stranger") => "ROOM_NOT_FOUND",
                _ => "ALREADY_MEMBER",
            };
            let reply = cast.scene(role, kind).await.by_rest(Join).await.expect("joining is a route");
            assert_eq!(reply.outcome(), expected, "{kind} as {role}: {reply}");
        }
    }
}
