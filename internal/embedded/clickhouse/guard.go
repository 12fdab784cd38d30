package clickhouse

import (
	"fmt"
	"strings"
)

// guard decides which statements analysts may execute. readonly=1, which their
// sessions have as well, is not enough: with it the engine still reads any
// file through the scalar function file(), opens files and addresses to
// DESCRIBE them, writes files with INTO OUTFILE, and kills queries.
type guard struct {
	forbidden map[string]bool // functions, lower case
}

// outward lists functions that leave the engine and that the engine's own list
// of table functions does not name, or names as harmless.
var outward = []string{
	"file", "url", "s3", "remote", "remoteSecure", "cluster", "clusterAllReplicas", "executable",
	"catboostEvaluate", "input", "fileCluster", "urlCluster", "hive", "python",
}

// harmless lists table functions that the engine refuses in readonly mode but
// whose name is also that of a scalar function without effects.
var harmless = map[string]bool{"format": true, "values": true, "null": true, "dictionary": true}

// newGuard asks the engine which table functions it does not offer to readers.
func newGuard(s *session) (*guard, error) {
	names, err := s.text("SELECT name FROM system.table_functions WHERE NOT allow_readonly", "TSVRaw")
	if err != nil {
		return nil, fmt.Errorf("listing table functions: %w", err)
	}
	g := &guard{forbidden: map[string]bool{}}
	for _, name := range append(strings.Fields(names), outward...) {
		if name = strings.ToLower(name); !harmless[name] {
			g.forbidden[name] = true
		}
	}
	return g, nil
}

// check refuses what is not one statement that only reads what is stored here.
func (g *guard) check(s *session, sql string) error {
	class, count, err := s.classify(sql)
	if err != nil {
		return err
	}
	switch {
	case class == classUnknown && count == 0:
		return nil // does not parse: the engine words the syntax error
	case count != 1:
		return exceptionf(codeReadonly, "READONLY", "Only one statement at a time is executed here")
	case class != classRead:
		return exceptionf(codeReadonly, "READONLY", "Only statements that read are executed here: SELECT, SHOW, DESCRIBE, EXISTS, EXPLAIN")
	}
	l := lexer{sql: sql}
	first := l.next()
	describe := first.is("DESCRIBE") || first.is("DESC")
	previous := first
	for t := l.next(); t.kind != tokenEnd; previous, t = t, l.next() {
		name := previous.kind == tokenWord || previous.kind == tokenName
		switch {
		case name && t.kind == tokenPunct && t.text == "(" && g.forbidden[strings.ToLower(previous.text)]:
			return exceptionf(codeReadonly, "READONLY", "The function %s is not available here: it reaches outside the database", previous.text)
		case describe && (t.kind == tokenString || t.kind == tokenPunct && t.text == "("):
			return exceptionf(codeReadonly, "READONLY", "Only tables can be described here")
		case t.kind == tokenName && strings.ContainsAny(t.text, `/\`):
			return exceptionf(codeReadonly, "READONLY", "Names of files are not available here")
		case (t.kind == tokenWord || t.kind == tokenName) && strings.EqualFold(t.text, "stack_trace"):
			// Reading it sends a signal to every thread of the process.
			return exceptionf(codeReadonly, "READONLY", "system.stack_trace is not available here")
		}
	}
	return nil
}
