package provider

import (
	"strings"

	"github.com/posthorn/posthorn/schemas"
)

// Reasons of a machine class. They are never changed, only added to.
var (
	reasonAppleMPP    = []string{"apple_mail_privacy_protection"}
	reasonGoogleProxy = []string{"google_image_proxy"}
	reasonYahooProxy  = []string{"yahoo_mail_proxy"}
)

// agentWord is a word of a user agent, in lower case, that tells who acted.
type agentWord struct {
	word    string
	machine schemas.Machine
	reasons []string
}

// agentWords by their first letter. Security scanners open and click everything
// before a person can; a proxy fetches an image because a person looks at it.
var agentWords = [26][]agentWord{
	'b' - 'a': {scanner("barracuda")},
	'c' - 'a': {scanner("curl")},
	'g' - 'a': {
		scanner("go-http-client"),
		{"googleimageproxy", schemas.MachineProxy, reasonGoogleProxy},
		{"ggpht.com", schemas.MachineProxy, reasonGoogleProxy},
	},
	'h' - 'a': {scanner("headlesschrome")},
	'm' - 'a': {scanner("mimecast")},
	'p' - 'a': {scanner("proofpoint"), scanner("python-requests")},
	't' - 'a': {scanner("tmes")},
	'y' - 'a': {{"yahoomailproxy", schemas.MachineProxy, reasonYahooProxy}},
}

func scanner(word string) agentWord {
	return agentWord{word, schemas.MachineMachine, []string{"scanner_agent:" + word}}
}

// classifyAgent tells from a user agent alone who opened or clicked. Evidence
// from other events is weighed later.
func classifyAgent(agent string) (schemas.Machine, []string) {
	switch strings.TrimSpace(agent) {
	case "":
		return schemas.MachineUnknown, nil
	case "Mozilla/5.0":
		// Apple Mail loads all images through its relay under this name,
		// whether the mail is read or not.
		return schemas.MachineMachine, reasonAppleMPP
	}
	class, reasons := schemas.MachineHuman, []string(nil)
	previous := byte(0)
	for i := range len(agent) {
		c := agent[i] | 0x20
		if c-'a' < 26 && previous-'a' >= 26 {
			for _, w := range agentWords[c-'a'] {
				if w.machine > class && hasPrefixFold(agent[i:], w.word) {
					class, reasons = w.machine, w.reasons
				}
			}
		}
		previous = c
	}
	return class, reasons
}

// hasPrefixFold tells whether s begins with word, which is in lower case. A
// short word must also end there: "curl" is one, "curling" is not.
func hasPrefixFold(s, word string) bool {
	if len(s) < len(word) || !strings.EqualFold(s[:len(word)], word) {
		return false
	}
	if len(s) == len(word) || len(word) > 4 {
		return true
	}
	c := s[len(word)] | 0x20
	return c < 'a' || c > 'z'
}
