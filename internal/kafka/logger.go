package kafka

import (
	"context"
	"log/slog"

	"github.com/twmb/franz-go/pkg/kgo"
)

// slogAdapter writes a client's log to slog. The client's information is of
// interest to developers only, so it counts as debug here.
type slogAdapter struct{ log *slog.Logger }

// Level spares the client from building messages that nobody will see.
func (a slogAdapter) Level() kgo.LogLevel {
	ctx := context.Background()
	switch {
	case a.log.Enabled(ctx, slog.LevelDebug):
		return kgo.LogLevelInfo
	case a.log.Enabled(ctx, slog.LevelWarn):
		return kgo.LogLevelWarn
	case a.log.Enabled(ctx, slog.LevelError):
		return kgo.LogLevelError
	}
	return kgo.LogLevelNone
}

func (a slogAdapter) Log(level kgo.LogLevel, msg string, keyvals ...any) {
	to := slog.LevelDebug
	switch level {
	case kgo.LogLevelError:
		to = slog.LevelError
	case kgo.LogLevelWarn:
		to = slog.LevelWarn
	}
	a.log.Log(context.Background(), to, "kafka: "+msg, keyvals...)
}
