//! The rows that say how far each follower has come.

use std::collections::HashMap;

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, JoinType, QueryFilter, QuerySelect,
    sea_query::{Condition, Expr, Func, OnConflict},
};

use super::Follower;
use crate::{
    contract::{RoomId, Seq},
    db::{Db, Transaction, query},
    error::Result,
};
use entity::{follower_cursor, room};

/// How far a follower has come in some rooms; in those that are missing, not at all.
pub(crate) async fn cursors<F: Follower>(
    db: &impl ConnectionTrait,
    rooms: impl Iterator<Item = RoomId>,
) -> Result<HashMap<RoomId, Seq>> {
    let rows = follower_cursor::Entity::find()
        .filter(follower_cursor::Column::Follower.eq(F::NAME))
        .filter(follower_cursor::Column::RoomId.is_in(query::padded(rooms)))
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| (row.room_id, row.seq)).collect())
}

/// The rooms whose logs are longer than a follower has come.
pub(super) async fn behind<F: Follower>(db: &Db) -> Result<Vec<RoomId>> {
    let cursors = room::Entity::belongs_to(follower_cursor::Entity)
        .from(room::Column::Id)
        .to(follower_cursor::Column::RoomId)
        .on_condition(|_, cursors| {
            let follower = Expr::col((cursors, follower_cursor::Column::Follower));
            Condition::all().add(follower.eq(F::NAME))
        })
        .into();
    let reached =
        Func::coalesce([Expr::col((follower_cursor::Entity, follower_cursor::Column::Seq)), Expr::value(0_i64)]);
    Ok(room::Entity::find()
        .select_only()
        .column(room::Column::Id)
        .join(JoinType::LeftJoin, cursors)
        .filter(Expr::col((room::Entity, room::Column::LastSeq)).gt(reached))
        .into_tuple()
        .all(db.read())
        .await?)
}

/// Moves a cursor, which nobody else moves until the transaction ends. Whether it stood at `from`: otherwise another node was there.
pub(super) async fn advance<F: Follower>(tx: &Transaction, room: RoomId, from: Seq, to: Seq) -> Result<bool> {
    let moved = follower_cursor::Entity::update_many()
        .col_expr(follower_cursor::Column::Seq, Expr::value(to))
        .filter(follower_cursor::Column::Follower.eq(F::NAME))
        .filter(follower_cursor::Column::RoomId.eq(room))
        .filter(follower_cursor::Column::Seq.eq(from))
        .exec(tx)
        .await?;
    if moved.rows_affected > 0 || from > Seq::ZERO {
        return Ok(moved.rows_affected > 0);
    }
    let first = follower_cursor::ActiveModel { follower: Set(F::NAME.to_owned()), room_id: Set(room), seq: Set(to) };
    let key = [follower_cursor::Column::Follower, follower_cursor::Column::RoomId];
    let made = follower_cursor::Entity::insert(first)
        .on_conflict(OnConflict::columns(key).do_nothing().to_owned())
        .exec_without_returning(tx)
        .await?;
    Ok(made > 0)
}
