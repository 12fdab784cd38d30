package clickhouse

import (
	"strings"
	"unicode/utf8"
)

// token is a piece of SQL. The lexer exists to find a few things (FORMAT at
// the end, the names of called functions); the engine's own parser decides
// what a statement is.
type token struct {
	kind       tokenKind
	text       string // quoted names and strings without quotes, escapes kept
	start, end int    // in the SQL
}

type tokenKind int

const (
	tokenEnd    tokenKind = iota
	tokenWord             // name, keyword or number
	tokenName             // `quoted` or "quoted" name
	tokenString           // 'string', or a here-document
	tokenPunct            // one character
)

// is tells whether the token is the keyword, given in upper case.
func (t token) is(keyword string) bool {
	return t.kind == tokenWord && strings.EqualFold(t.text, keyword)
}

type lexer struct {
	sql string
	pos int
}

// next gives the next token; tokenEnd at the end. It accepts anything.
func (l *lexer) next() token {
	l.skipBlank()
	start := l.pos
	if start >= len(l.sql) {
		return token{kind: tokenEnd, start: start, end: start}
	}
	switch c := l.sql[start]; {
	case c == '\'':
		return l.quoted(tokenString, "'", start)
	case c == '`':
		return l.quoted(tokenName, "`", start)
	case c == '"':
		return l.quoted(tokenName, `"`, start)
	case strings.HasPrefix(l.sql[start:], "‘"), strings.HasPrefix(l.sql[start:], "’"):
		return l.until(tokenString, "’", start+len("‘"), start)
	case strings.HasPrefix(l.sql[start:], "“"), strings.HasPrefix(l.sql[start:], "”"):
		return l.until(tokenName, "”", start+len("“"), start)
	case c == '$':
		if tag := hereDocument(l.sql[start:]); tag != "" {
			return l.until(tokenString, tag, start+len(tag), start)
		}
		l.pos++
	case isWord(c):
		for l.pos < len(l.sql) && isWord(l.sql[l.pos]) {
			l.pos++
		}
		return token{tokenWord, l.sql[start:l.pos], start, l.pos}
	default:
		_, size := utf8.DecodeRuneInString(l.sql[start:])
		l.pos += size
	}
	return token{tokenPunct, l.sql[start:l.pos], start, l.pos}
}

// skipBlank passes over white space and comments.
func (l *lexer) skipBlank() {
	for l.pos < len(l.sql) {
		rest := l.sql[l.pos:]
		switch {
		case strings.HasPrefix(rest, "--"), strings.HasPrefix(rest, "#!"), strings.HasPrefix(rest, "# "):
			end := strings.IndexByte(rest, '\n')
			if end < 0 {
				end = len(rest) - 1
			}
			l.pos += end + 1
		case strings.HasPrefix(rest, "/*"):
			l.pos += blockComment(rest)
		case rest[0] <= ' ' || rest[0] == 0x7f:
			l.pos++
		case strings.HasPrefix(rest, "\u00a0"), strings.HasPrefix(rest, "\ufeff"), strings.HasPrefix(rest, "\u3000"):
			_, size := utf8.DecodeRuneInString(rest)
			l.pos += size
		default:
			return
		}
	}
}

// blockComment gives the length of the comment that s begins with. They nest.
func blockComment(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch {
		case strings.HasPrefix(s[i:], "/*"):
			depth++
			i++
		case strings.HasPrefix(s[i:], "*/"):
			depth--
			i++
			if depth == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}

// quoted reads a token in which a backslash escapes and a doubled quote stands
// for itself.
func (l *lexer) quoted(kind tokenKind, quote string, start int) token {
	i := start + 1
	for i < len(l.sql) {
		switch l.sql[i] {
		case '\\':
			i += 2
			continue
		case quote[0]:
			if i+1 < len(l.sql) && l.sql[i+1] == quote[0] {
				i += 2
				continue
			}
			l.pos = i + 1
			return token{kind, l.sql[start+1 : i], start, l.pos}
		}
		i++
	}
	l.pos = len(l.sql)
	return token{kind, l.sql[start+1:], start, l.pos}
}

func (l *lexer) until(kind tokenKind, end string, from, start int) token {
	i := strings.Index(l.sql[from:], end)
	if i < 0 {
		l.pos = len(l.sql)
		return token{kind, l.sql[from:], start, l.pos}
	}
	l.pos = from + i + len(end)
	return token{kind, l.sql[from : from+i], start, l.pos}
}

// hereDocument gives the opening tag, $name$, that s begins with.
func hereDocument(s string) string {
	for i := 1; i < len(s); i++ {
		if s[i] == '$' {
			return s[:i+1]
		}
		if !isWord(s[i]) {
			return ""
		}
	}
	return ""
}

func isWord(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
