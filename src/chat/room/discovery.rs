//! Finding public rooms.

use sea_orm::{
    ColumnTrait, Condition, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, Func, LikeExpr},
};

use crate::{
    auth::Actor,
    chat::{Chat, contact::escaped, view},
    contract::{
        RoomType, Visibility,
        list::{RoomList, SearchQuery},
        text,
    },
    error::{Error, Result},
};
use entity::room;

/// Characters that are searched for.
const SEARCH_CHARS: usize = 100;

/// Public rooms, whoever asks: those whose name or description has this text, the newest activity first.
///
/// # Errors
/// `VALIDATION_ERROR`.
pub async fn public(chat: &Chat, _: &Actor, query: SearchQuery) -> Result<RoomList> {
    let page = query.page().check()?;
    let search = query.search.unwrap_or_default();
    Error::check([text::prose("search", &search, SEARCH_CHARS)])?;
    let db = chat.db.read();
    let found = room::Entity::find()
        .filter(room::Column::Visibility.eq(Visibility::Public))
        .filter(room::Column::RoomType.eq(RoomType::Group))
        .filter(room::Column::DeletedAt.is_null())
        .filter(matching(search.trim()));
    let total = found.clone().count(db).await?;
    let rooms = found
        .order_by_desc(room::Column::ActiveAt)
        .order_by_desc(room::Column::Id)
        .offset(page.offset())
        .limit(page.size())
        .all(db)
        .await?;
    let shown = rooms.into_iter().map(|room| view::room(room, &chat.files.links));
    Ok(RoomList { rooms: shown.collect(), info: page.info(total) })
}

fn matching(search: &str) -> Condition {
    if search.is_empty() {
        return Condition::all();
    }
    let part = |text: &str| LikeExpr::new(format!("%{}%", escaped(text))).escape('\\');
    let key = search.to_lowercase();
    [room::Column::Name, room::Column::Description].into_iter().fold(Condition::any(), |any, column| {
        any.add(Expr::expr(Func::lower(Expr::col(column))).like(part(&key)))
            // SQLite's lower() knows ASCII only: what has other letters is found as it is written.
            .add(column.like(part(search)))
    })
}
