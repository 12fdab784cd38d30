// Package clickhouse runs ClickHouse inside this process.
//
// The engine is libchdb, a shared library that [Fetch] brings once to the
// user's cache; it is opened without cgo. [Start] puts an HTTP endpoint in
// front of it that speaks ClickHouse's own HTTP interface, so that
// clickhouse-go, curl and Grafana use it exactly as they use a server: there
// is no second code path for the embedded engine.
//
// Two listeners lead in. The one behind [Engine.DSN] may do everything and
// asks for a password that is made anew at each start. The one behind
// [Engine.SQLURL] is for analysts: its statements are classified by the
// engine's own parser, run on connections opened with readonly=1, and have
// limits on time, memory and result size.
//
// In order of reading: library.go and session.go (the calls into the library),
// pool.go and settings.go (who uses a session, and what it remembers),
// request.go, endpoint.go and run.go (HTTP), engine.go (life), fetch.go.
//
// Not obvious:
//   - A session executes one statement at a time; sessions run side by side.
//   - The library writes Native blocks of revision 0, the driver decodes with
//     the revision the server announced, so the endpoint answers the driver's
//     hello itself and announces 0.
//   - Settings stick to a session. What a request set is undone before the
//     next one; a session whose state can't be known any more is replaced.
//   - One process has one data directory open at a time, and a data directory
//     is open in one process.
package clickhouse
