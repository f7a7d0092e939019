//! Who may do what: the contract's table, cell by cell, over REST and over the socket.

use serde_json::{Value, json};

use crate::support::{App, Person, Reply, Room, Socket, Transport, outcome_of, text};

const ROLES: [&str; 4] = ["owner", "admin", "member", "viewer"];

#[derive(Clone, Copy, Debug)]
enum Deed {
    ReadHistory,
    ReadRoom,
    ReadMembers,
    ReadMessage,
    MarkAsRead,
    Send,
    Reply,
    Forward,
    Type,
    EditOwn,
    DeleteOwn,
    EditAnothers,
    DeleteAnothers,
    UpdateRoom,
    AddMember,
    RemoveMember,
    Mute,
    MakeViewer,
    MakeAdmin,
    DeleteRoom,
}
use Deed::*;

const Y: bool = true;
const N: bool = false;

/// The table: owner, admin, member, viewer.
const TABLE: [(Deed, [bool; 4]); 20] = [
    (ReadHistory, [Y, Y, Y, Y]),
    (ReadRoom, [Y, Y, Y, Y]),
    (ReadMembers, [Y, Y, Y, Y]),
    (ReadMessage, [Y, Y, Y, Y]),
    (MarkAsRead, [Y, Y, Y, Y]),
    (Send, [Y, Y, Y, N]),
    (Reply, [Y, Y, Y, N]),
    (Forward, [Y, Y, Y, N]),
    (Type, [Y, Y, Y, N]),
    (EditOwn, [Y, Y, Y, Y]),
    (DeleteOwn, [Y, Y, Y, Y]),
    (EditAnothers, [N, N, N, N]),
    (DeleteAnothers, [Y, Y, N, N]),
    (UpdateRoom, [Y, Y, N, N]),
    (AddMember, [Y, Y, N, N]),
    (RemoveMember, [Y, Y, N, N]),
    (Mute, [Y, Y, N, N]),
    (MakeViewer, [Y, Y, N, N]),
    (MakeAdmin, [Y, Y, N, N]),
    (DeleteRoom, [Y, N, N, N]),
];

/// Everybody who appears; each cell has a room of its own.
struct Cast {
    owner: Person,
    actor: Person,
    target: Person,
    outsider: Person,
}

/// A room where `actor` has a role, with a message of theirs and one of the target.
struct Scene<'a> {
    actor: &'a Person,
    cast: &'a Cast,
    room: Room,
    own: String,
    anothers: String,
}

impl Cast {
    async fn scene(&self, role: &str) -> Scene<'_> {
        let room = self.owner.opens_a_group("a cell", &[&self.actor, &self.target]).await;
        let actor = if role == "owner" { &self.owner } else { &self.actor };
        let own = text(&actor.says(&room, "mine").await, "id");
        let anothers = text(&self.target.says(&room, "theirs").await, "id");
        if !["owner", "member"].contains(&role) {
            self.owner.makes(&self.actor, role, &room).await;
        }
        Scene { actor, cast: self, room, own, anothers }
    }
}

impl Scene<'_> {
    fn send(&self, key: &str, value: &str) -> Value {
        let mut body = json!({"room_id": self.room.id, "message_type": "text", "content": "said"});
        if !key.is_empty() {
            body[key] = json!(value);
        }
        body
    }

    async fn by_rest(&self, deed: Deed) -> Option<Reply> {
        let Self { actor, cast, room, .. } = self;
        let (own, anothers) =
            (format!("/api/chat/messages/{}", self.own), format!("/api/chat/messages/{}", self.anothers));
        let target = room.path(&format!("/members/{}", cast.target.id));
        Some(match deed {
            ReadHistory => actor.get(&room.path("/messages")).await,
            ReadRoom => actor.get(&room.path("")).await,
            ReadMembers => actor.get(&room.path("/members")).await,
            ReadMessage => actor.get(&anothers).await,
            MarkAsRead => actor.post(&room.path("/read"), json!({"message_ids": [self.anothers]})).await,
            Send => actor.post("/api/chat/messages", self.send("", "")).await,
            Reply => actor.post("/api/chat/messages", self.send("reply_to_id", &self.anothers)).await,
            Forward => actor.post("/api/chat/messages", self.send("forwarded_from_id", &self.anothers)).await,
            Type => return None,
            EditOwn => actor.patch(&own, json!({"content": "changed"})).await,
            DeleteOwn => actor.delete(&own).await,
            EditAnothers => actor.patch(&anothers, json!({"content": "changed"})).await,
            DeleteAnothers => actor.delete(&anothers).await,
            UpdateRoom => actor.patch(&room.path(""), json!({"name": "renamed"})).await,
            AddMember => actor.post(&room.path("/members"), json!({"user_ids": [cast.outsider.id]})).await,
            RemoveMember => actor.delete(&target).await,
            Mute => actor.patch(&target, json!({"muted_until": "2999-01-01T00:00:00Z"})).await,
            MakeViewer => actor.patch(&target, json!({"role": "viewer"})).await,
            MakeAdmin => actor.patch(&target, json!({"role": "admin"})).await,
            DeleteRoom => actor.delete(&room.path("")).await,
        })
    }

    async fn by_socket(&self, deed: Deed, socket: &Socket) -> Option<Value> {
        let id = &self.room.id;
        let (name, data) = match deed {
            ReadHistory => ("join_room", json!({"room_id": id, "after_seq": 0})),
            MarkAsRead => ("mark_as_read", json!({"room_id": id, "message_ids": [self.anothers]})),
            Send => ("send_message", self.send("", "")),
            Reply => ("send_message", self.send("reply_to_id", &self.anothers)),
            Forward => ("send_message", self.send("forwarded_from_id", &self.anothers)),
            Type => ("typing", json!({"room_id": id})),
            EditOwn => ("edit_message", json!({"message_id": self.own, "content": "changed"})),
            DeleteOwn => ("delete_message", json!({"message_id": self.own})),
            EditAnothers => ("edit_message", json!({"message_id": self.anothers, "content": "changed"})),
            DeleteAnothers => ("delete_message", json!({"message_id": self.anothers})),
            _ => return None,
        };
        Some(socket.emit_with_ack(name, data).answer().await)
    }
}

/// Catches a wrong cell. Fails on builds where viewers send, where they do not edit their own, where members delete what
/// others said, where admins delete the room, and where they do not manage members, seen.
#[tokio::test]
async fn every_cell_of_the_role_table_holds_over_rest_and_socket() {
    let app = App::start().await;
    let [owner, actor, target, outsider] = app.users(["owner", "actor", "target", "outsider"]).await;
    let cast = Cast { owner, actor, target, outsider };
    let mut wrong = Vec::new();
    for (deed, row) in TABLE {
        for (role, allowed) in ROLES.into_iter().zip(row) {
            let expected = if allowed { "OK" } else { "PERMISSION_DENIED" };
            if let Some(reply) = cast.scene(role).await.by_rest(deed).await
                && reply.outcome() != expected
            {
                wrong.push(format!("{deed:?} as {role} over REST: {reply}, expected {expected}"));
            }
            for transport in [Transport::WebSocket, Transport::Polling] {
                let scene = cast.scene(role).await;
                let socket = scene.actor.connects_by(transport, json!({})).await;
                if let Some(answer) = scene.by_socket(deed, &socket).await
                    && outcome_of(&answer) != expected
                {
                    wrong.push(format!("{deed:?} as {role} by {transport:?}: {answer}, expected {expected}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_refused_deed_leaves_no_trace_in_the_log() {
    let app = App::start().await;
    let [owner, actor, target, outsider] = app.users(["owner", "actor", "target", "outsider"]).await;
    let cast = Cast { owner, actor, target, outsider };
    for (deed, [.., allowed]) in TABLE {
        if allowed {
            continue;
        }
        let scene = cast.scene("viewer").await;
        let before = (cast.owner.log_of(&scene.room).await, cast.owner.room(&scene.room).await["members"].clone());
        scene.by_rest(deed).await;
        let socket = scene.actor.connects().await;
        scene.by_socket(deed, &socket).await;
        let after = (cast.owner.log_of(&scene.room).await, cast.owner.room(&scene.room).await["members"].clone());
        assert_eq!(before, after, "{deed:?}");
    }
}

/// Catches a build in which admins act only on those below them, and one in which they act on owners.
#[tokio::test]
async fn an_admin_acts_on_anyone_but_an_owner() {
    let app = App::start().await;
    let [olga, anna, abel, mia] = app.users(["olga", "anna", "abel", "mia"]).await;
    let room = olga.opens_a_group("ranks", &[&anna, &abel, &mia]).await;
    olga.makes(&anna, "admin", &room).await;
    let member = |person: &Person| room.path(&format!("/members/{}", person.id));
    let mute = json!({"muted_until": "2999-01-01T00:00:00Z"});
    anna.patch(&member(&olga), json!({"role": "viewer"})).await.refused("PERMISSION_DENIED");
    anna.patch(&member(&olga), mute.clone()).await.refused("PERMISSION_DENIED");
    anna.delete(&member(&olga)).await.refused("PERMISSION_DENIED");
    anna.put(&room.path(&format!("/bans/{}", olga.id)), json!({})).await.refused("PERMISSION_DENIED");
    for person in [&anna, &abel, &mia] {
        anna.patch(&member(person), json!({"role": "owner"})).await.refused("PERMISSION_DENIED");
    }
    for role in ["admin", "viewer", "member", "admin"] {
        anna.makes(&abel, role, &room).await;
    }
    anna.patch(&member(&abel), mute).await.ok();
    anna.patch(&member(&abel), json!({"muted_until": null})).await.ok();
    abel.removes(&anna, &room).await;
    abel.put(&room.path(&format!("/bans/{}", mia.id)), json!({})).await.ok();
    olga.makes(&abel, "owner", &room).await;
    abel.makes(&olga, "member", &room).await;
}
