package clickhouse

import "strings"

// shape is what the endpoint must know of a statement before it executes it.
type shape struct {
	insert    bool
	format    string // of the FORMAT clause, "" without one
	beforeFmt int    // where the FORMAT clause (or VALUES) begins
	dataStart int    // where the data of an insert begins
	source    bool   // an insert that has a source of its own: SELECT, WITH, FROM INFILE, or data in the text
	end       int    // end of the statement without trailing semicolons, blanks and comments
	temporary bool   // names a TEMPORARY object, which would stay with the session
}

// examine reads a statement's shape.
func examine(sql string) shape {
	l := lexer{sql: sql}
	first := l.next()
	if first.is("INSERT") {
		return examineInsert(sql, &l)
	}
	var s shape
	// FORMAT is a clause when only SETTINGS or the end follows its name.
	var before, last token
	depth := 0
	for t := first; t.kind != tokenEnd; t = l.next() {
		if t.kind == tokenPunct {
			switch t.text {
			case "(":
				depth++
			case ")":
				depth--
			case ";":
				continue
			}
		}
		s.end = t.end
		if t.is("TEMPORARY") || t.is("TEMP") {
			s.temporary = true
		}
		switch {
		case depth > 0:
		case before.is("FORMAT") && last.kind == tokenWord && t.is("SETTINGS"):
			s.format, s.beforeFmt = last.text, before.start
		case s.format != "" && t.is("FORMAT"):
			s.format = "" // a later clause decides
		}
		before, last = last, t
	}
	if depth <= 0 && before.is("FORMAT") && last.kind == tokenWord {
		s.format, s.beforeFmt = last.text, before.start
	}
	return s
}

// examineInsert reads on after INSERT, up to where data may begin: what
// follows need not be SQL.
func examineInsert(sql string, l *lexer) shape {
	s := shape{insert: true, end: len(sql), beforeFmt: len(sql), dataStart: len(sql)}
	depth := 0
	for t := l.next(); t.kind != tokenEnd; t = l.next() {
		switch {
		case t.kind == tokenPunct && t.text == "(":
			depth++
		case t.kind == tokenPunct && t.text == ")":
			depth--
		case depth > 0:
		case t.is("SELECT"), t.is("WITH"), t.is("INFILE"), t.is("WATCH"):
			s.source = true
			return s
		case t.is("VALUES"):
			s.format, s.beforeFmt, s.dataStart = "Values", t.start, t.end
			s.source = hasData(sql[t.end:])
			return s
		case t.is("FORMAT"):
			name := l.next()
			s.format, s.beforeFmt, s.dataStart = name.text, t.start, name.end
			s.source = hasData(sql[name.end:])
			return s
		}
	}
	return s
}

func hasData(rest string) bool {
	return strings.Trim(rest, " \t\r\n;") != ""
}

// streamed lists the formats whose chunks may simply follow each other. All
// others are documents (JSON, Parquet, those with a header): the engine would
// write one document a chunk, so their result is made in one piece.
var streamed = map[string]bool{
	"native": true, "rowbinary": true, "null": true,
	"tabseparated": true, "tsv": true, "tabseparatedraw": true, "tsvraw": true, "raw": true,
	"csv": true, "tskv": true, "lineasstring": true, "msgpack": true,
	"jsoneachrow": true, "jsonlines": true, "ndjson": true, "jsonstringseachrow": true,
	"jsoncompacteachrow": true, "jsoncompactstringseachrow": true,
}

func canStream(format string) bool { return streamed[strings.ToLower(format)] }

// quoteText writes a string literal.
func quoteText(v string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(v) + "'"
}

// quoteName writes a quoted name.
func quoteName(v string) string {
	return "`" + strings.NewReplacer(`\`, `\\`, "`", "\\`").Replace(v) + "`"
}
