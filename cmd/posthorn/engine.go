package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/internal/embedded/clickhouse"
)

func (a *app) engineCommand() *cobra.Command {
	return &cobra.Command{
		Use: "engine", Short: "Fetch the ClickHouse engine that up embeds, and print its path", Args: cobra.NoArgs,
		Long: `Fetches the engine into the user's cache, if it is not there yet: 178 MB to
download, 566 MB unpacked. "posthorn up" does so by itself. POSTHORN_CHDB=FILE
names a copy to use instead, and --clickhouse DSN a server.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.load(cmd)
			if err != nil {
				return err
			}
			log, err := a.logger(cfg)
			if err != nil {
				return err
			}
			path, err := a.engine(cmd.Context(), cfg, log)
			if err != nil {
				return err
			}
			fmt.Fprintln(a.out, path)
			return nil
		},
	}
}

// engine returns the path of the engine's library, which it fetches if need be.
func (a *app) engine(ctx context.Context, cfg *config.Config, log *slog.Logger) (string, error) {
	if cfg.ClickHouse.Library != "" {
		return cfg.ClickHouse.Library, nil
	}
	return clickhouse.Fetch(ctx, clickhouse.FetchConfig{Progress: a.download(), Logger: log})
}

// download shows how far a download is.
func (a *app) download() func(done, total int64) {
	var bar *progressbar.ProgressBar
	return func(done, total int64) {
		if bar == nil {
			fmt.Fprintf(a.errOut, "fetching the ClickHouse engine: %d MB, once; POSTHORN_CHDB=FILE or --clickhouse DSN do without\n", total/1_000_000)
			bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(a.errOut), progressbar.OptionSetDescription("ClickHouse engine"),
				progressbar.OptionShowBytes(true), progressbar.OptionThrottle(200*time.Millisecond), progressbar.OptionClearOnFinish())
		}
		_ = bar.Set64(done)
	}
}
