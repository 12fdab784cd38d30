// Package mailbox tells which mailbox provider serves a domain: by a table of the
// domains of those who give mailboxes to people, and for domains of others by who
// exchanges their mail.
//
// A Worker looks domains up in the background, those with most messages first,
// and keeps what it finds in ClickHouse. Nobody who asks for statistics and
// nothing that counts waits for a name server.
package mailbox

import (
	_ "embed"
	"fmt"
	"strings"
	"time"
)

// Other is the provider of a domain whose mail exchangers are those of none that
// is known.
const Other = "other"

//go:embed domains.txt
var domainsFile string

//go:embed exchangers.txt
var exchangersFile string

// table are names and the provider of each.
type table struct {
	revised   time.Time // zero where the file does not say
	providers map[string]string
	names     []string // in the order of the file
}

// domains is the table of domains that Posthorn brings, exchangers that of names
// in which mail exchangers end.
var (
	domains    = mustRead("domains.txt", domainsFile)
	exchangers = mustRead("exchangers.txt", exchangersFile)
)

func mustRead(name, text string) table {
	t, err := readTable(text)
	if err != nil {
		panic(name + ": " + err.Error()) // It is part of the program.
	}
	return t
}

// readTable reads lines of a provider, a colon and names.
func readTable(text string) (table, error) {
	t := table{providers: map[string]string{}}
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if at, ok := strings.CutPrefix(line, "revised "); ok {
			revised, err := time.Parse(time.RFC3339, at)
			if err != nil {
				return t, fmt.Errorf("line %d: reading when it was revised: %w", number, err)
			}
			t.revised = revised
			continue
		}
		provider, names, ok := strings.Cut(line, ": ")
		if !ok || provider == "" || provider == Other {
			return t, fmt.Errorf("line %d: want a provider, a colon and names", number)
		}
		for name := range strings.FieldsSeq(names) {
			if was, twice := t.providers[name]; twice {
				return t, fmt.Errorf("line %d: %s is there twice, of %s too", number, name, was)
			}
			if name != strings.ToLower(name) || !strings.Contains(name, ".") {
				return t, fmt.Errorf("line %d: %s is no name of a domain in lower case", number, name)
			}
			t.providers[name] = provider
			t.names = append(t.names, name)
		}
	}
	return t, nil
}

// OfDomain returns the provider of a domain, in lower case, that is in the table.
func OfDomain(domain string) (provider string, known bool) {
	provider, known = domains.providers[domain]
	return provider, known
}

// OfExchanger returns the provider whose mail exchanger a host is: that of the
// longest name in which it ends, and Other where there is none.
func OfExchanger(host string) string {
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	for {
		if provider, ok := exchangers.providers[name]; ok {
			return provider
		}
		_, rest, more := strings.Cut(name, ".")
		if !more {
			return Other
		}
		name = rest
	}
}
