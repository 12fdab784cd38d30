package verify

import (
	"regexp"
	"strings"
)

// What may identify a person in a link: the user before its host, the fragment,
// and the value of a parameter that holds an address or is as long as a token.
var (
	linkUser = regexp.MustCompile(`^([^?]*?://)[^/?]*@`)
	linkRest = regexp.MustCompile(`(?s)#.*$`)
)

// impersonal takes all that out of a link.
func impersonal(link string) string {
	link = linkRest.ReplaceAllString(link, "")
	link = linkUser.ReplaceAllString(link, "$1")
	before, query, found := strings.Cut(link, "?")
	if !found {
		return link
	}
	params := strings.Split(query, "&")
	for i, p := range params {
		at := strings.IndexByte(p, '=')
		if at < 0 {
			continue // a name alone
		}
		if value := p[at+1:]; len(value) > 32 || strings.Contains(value, "@") || strings.Contains(value, "%40") {
			params[i] = p[:at+1] + "-"
		}
	}
	return before + "?" + strings.Join(params, "&")
}
