namespace Hutch.Cli.Doctor;

/// <summary>What a check of the host came to.</summary>
internal enum Verdict
{
    /// <summary>As it should be.</summary>
    Ok,

    /// <summary>Machines run, but something is not there or not at its best.</summary>
    Note,

    /// <summary>Not to be had on this host as it is.</summary>
    Missing,
}

/// <summary>One line of the report.</summary>
/// <param name="Id">Short name, unique, for scripts and for <c>--require</c>.</param>
/// <param name="Verdict">How it stands.</param>
/// <param name="Text">What is so, as a sentence without its end.</param>
/// <param name="Mend">What to do about it; null where nothing needs doing or nothing can be done.</param>
/// <param name="Essential">Where this is missing, no machine runs at all.</param>
internal sealed record Finding(string Id, Verdict Verdict, string Text, string? Mend = null, bool Essential = false)
{
    internal static Finding Ok(string id, string text) => new(id, Verdict.Ok, text);

    internal static Finding Note(string id, string text, string? mend = null) => new(id, Verdict.Note, text, mend);

    internal static Finding Missing(string id, string text, string? mend = null) => new(id, Verdict.Missing, text, mend);
}

/// <summary>Checks that belong together, in the order of the report.</summary>
/// <param name="Title">Heading.</param>
/// <param name="Findings">The lines.</param>
internal sealed record FindingGroup(string Title, System.Collections.Immutable.ImmutableArray<Finding> Findings);
