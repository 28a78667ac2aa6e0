using Hutch.Model.Control;

namespace Hutch.Cli.Options;

/// <summary>The value of <c>--name</c>.</summary>
internal static class NameOption
{
    /// <summary>The name itself. Throws <see cref="UserException"/> for one that no machine can have.</summary>
    internal static string Checked(string value) => VmName.IsValid(value) ? value : throw OptionText.Bad("--name", value,
        $"use letters, digits, '.', '_' and '-', at most {VmName.LongestLength}, beginning with a letter or digit.");
}
