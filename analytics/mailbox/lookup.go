package mailbox

import (
	"cmp"
	"context"
	"errors"
	"net"
	"regexp"
	"slices"
)

// Resolver asks for the mail exchangers of a domain; net.Resolver is one.
type Resolver interface {
	LookupMX(ctx context.Context, domain string) ([]*net.MX, error)
}

// reserved matches domains that are never asked for: those that can be nobody's
// (RFC 2606, 6761, 6762, 7686, 9476), networks' own, and what is no name at all.
const reserved = `(^|\.)(example|test|invalid|localhost|local|internal|intranet|lan|home|corp|onion|alt|arpa)$|(^|\.)example\.(com|org|net)$|^[^.]*$|[^a-z0-9.-]|\.\.|^[.-]|[.-]$|^[0-9.]+$`

var reservedDomain = regexp.MustCompile(reserved)

// Reserved tells whether a domain, in lower case, is one that is never asked for.
func Reserved(domain string) bool { return len(domain) > 253 || reservedDomain.MatchString(domain) }

// lookUp returns the provider of a domain by its mail exchangers: that of the
// first one in order of preference that is a provider's. It is Other where all
// are nobody's that is known, and empty where the domain has none or is none. An
// error says that it could not be told for now.
func lookUp(ctx context.Context, r Resolver, domain string) (string, error) {
	// The dot keeps a resolver from trying names below its own domain.
	found, err := r.LookupMX(ctx, domain+".")
	var failed *net.DNSError
	if errors.As(err, &failed) && failed.IsNotFound {
		return "", nil
	}
	// Records with names that are none come with an error, and the others with it.
	if err != nil && len(found) == 0 {
		return "", err
	}
	slices.SortStableFunc(found, func(a, b *net.MX) int { return cmp.Compare(a.Pref, b.Pref) })
	provider := ""
	for _, mx := range found {
		if mx.Host == "." || mx.Host == "" { // It takes no mail (RFC 7505).
			continue
		}
		if provider = OfExchanger(mx.Host); provider != Other {
			return provider, nil
		}
	}
	return provider, nil
}
