// Builds Pulumi's CLI from the Go module proxy; its version here is the only place that names it.
module tools

go 1.26.6

require github.com/pulumi/pulumi/pkg/v3 v3.274.1

// As the CLI's own go.mod has it: the replacements of a dependency do not count.
replace github.com/atotto/clipboard => github.com/tgummerer/clipboard v0.0.0-20241001131231-d02d263e614e
