package trigger

import "github.com/posthorn/posthorn/internal/suggest"

// suggestion is "did you mean ...? " where a name is near to one that is known,
// else empty.
func suggestion(name string, known []string) string { return suggest.DidYouMean(name, known) }
