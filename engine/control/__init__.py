"""How anything outside looks at the engine and asks it for something: commands, snapshots, links."""
