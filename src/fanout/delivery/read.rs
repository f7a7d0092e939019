//! Read marks on their way to who sees them.

use super::{
    Delivery,
    coalesce::Coalesced,
    recent_marks::{Read, RecentMarks},
};
use crate::{
    chat::receipt::Moved,
    cluster::bus::Topic,
    contract::{RoomId, UserId, event::Ephemeral},
};

/// Marks that wait for their turn, by who sees them.
pub(super) struct Marks {
    others: Coalesced<(RoomId, UserId), Read>,
    own: Coalesced<(RoomId, UserId), Read>,
}

impl Marks {
    pub(super) fn new() -> Self {
        Self { others: Coalesced::new(), own: Coalesced::new() }
    }
}

/// How far everybody is known to have read: to the others in the room, and to their own sockets.
#[derive(Debug, Default)]
pub(super) struct AllRecentMarks {
    others: RecentMarks,
    own: RecentMarks,
}

impl Delivery {
    /// A mark moved, as the member or the others are told.
    pub(super) fn take_mark(&self, marks: &mut Marks, topic: &Topic, of: (RoomId, UserId), read: Read) {
        let (room, user) = of;
        let is_own = matches!(topic, Topic::User(_));
        let is_known = {
            let told = self.news.marks.lock();
            let told = if is_own { &told.own } else { &told.others };
            // A notice, and a look at the database, may tell of the same advance.
            told.stands_at(room, user, read.last_read_seq)
        };
        if is_known {
            return;
        }
        if is_own {
            self.note_activity_of(room, user);
            if let Some(read) = marks.own.offer(of, read, Read::merge) {
                self.tell_own_read(room, user, read);
            }
        } else if let Some(read) = marks.others.offer(of, read, Read::merge) {
            self.tell_others_read(room, user, read);
        }
    }

    /// Tells what had to wait.
    pub(super) fn tell_due_marks(&self, marks: &mut Marks) {
        for ((room, user), read) in marks.others.due() {
            self.tell_others_read(room, user, read);
        }
        for ((room, user), read) in marks.own.due() {
            self.tell_own_read(room, user, read);
        }
    }

    /// The topics on which somebody here would hear that a mark moved, and was not told so.
    pub(crate) fn topics_that_miss(&self, moved: &Moved) -> Vec<Topic> {
        let Moved { room_id: room, user_id: user, seq, is_shared, .. } = *moved;
        let told = self.news.marks.lock();
        let others = is_shared && !told.others.is_at(room, user, seq) && !self.sockets.subscribers(room).is_empty();
        let own = !told.own.is_at(room, user, seq) && !self.sockets.of_user(user).is_empty();
        [others.then_some(Topic::Room(room)), own.then_some(Topic::User(user))].into_iter().flatten().collect()
    }

    fn tell_others_read(&self, room: RoomId, user: UserId, read: Read) {
        let read = self.news.marks.lock().others.settle(room, user, read);
        self.sockets.emit(&Topic::Room(room), &messages_read(room, user, read));
    }

    /// Tells all sockets of who has read, whether they have joined the room or not.
    fn tell_own_read(&self, room: RoomId, user: UserId, read: Read) {
        let read = self.news.marks.lock().own.settle(room, user, read);
        self.sockets.emit(&Topic::User(user), &messages_read(room, user, read));
    }
}

fn messages_read(room_id: RoomId, user_id: UserId, read: Read) -> Ephemeral {
    let Read { message_ids, last_read_seq, read_at } = read;
    Ephemeral::MessagesRead { room_id, user_id, message_ids, last_read_seq, read_at }
}
