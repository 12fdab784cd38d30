package engagement

import (
	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/schemas"
)

// suppress takes an event into what is known of its recipient.
func (t *task) suppress(stream.Context, *schemas.Event) error { return nil }

// flushSuppressions emits the suppressions that changed.
func (t *task) flushSuppressions(stream.Context) error { return nil }
