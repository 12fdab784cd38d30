// Package links takes out of links what may identify a person.
package links

import "strings"

// Redact takes what may identify a person out of a link: the user, the
// fragment, and the values of query parameters that hold an address or look
// like a token. What tells one link of a message from another stays.
func Redact(link string) string {
	if link == "" {
		return ""
	}
	link, _, _ = strings.Cut(link, "#")
	link, query, found := strings.Cut(link, "?")
	if scheme, rest, ok := strings.Cut(link, "://"); ok {
		host, path, slash := strings.Cut(rest, "/")
		if at := strings.LastIndexByte(host, '@'); at >= 0 {
			link = scheme + "://" + host[at+1:]
			if slash {
				link += "/" + path
			}
		}
	}
	if !found {
		return link
	}
	params := strings.Split(query, "&")
	for i, param := range params {
		name, value, _ := strings.Cut(param, "=")
		if len(value) > 32 || holdsAt(value) {
			params[i] = name + "=-"
		}
	}
	return link + "?" + strings.Join(params, "&")
}

func holdsAt(s string) bool { return strings.Contains(s, "@") || strings.Contains(s, "%40") }
