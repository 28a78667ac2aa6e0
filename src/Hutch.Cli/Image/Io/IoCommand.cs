using System;
using System.Collections.Generic;

namespace Hutch.Cli.Image.Io;

/// <summary>A command of the I/O tool.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Short">Its other name, or empty.</param>
/// <param name="Least">Least number of arguments.</param>
/// <param name="Most">Most number of arguments; -1 any.</param>
/// <param name="Syntax">Its arguments, for help.</param>
/// <param name="Purpose">One line of help.</param>
/// <param name="Run">Does it; false where it failed, which was said.</param>
internal sealed record IoCommand(string Name, string Short, int Least, int Most, string Syntax, string Purpose, Func<IReadOnlyList<string>, bool> Run)
{
    /// <summary>It needs no image.</summary>
    internal bool NeedsNoImage { get; init; }

    /// <summary>It writes.</summary>
    internal bool Writes { get; init; }

    /// <summary>The line of help.</summary>
    internal string Usage => Syntax.Length == 0 ? $"{Name} -- {Purpose}" : $"{Name} {Syntax} -- {Purpose}";
}
