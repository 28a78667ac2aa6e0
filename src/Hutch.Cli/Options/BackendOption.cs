using System.IO;
using Hutch.Model.Machine;

namespace Hutch.Cli.Options;

/// <summary>Where a character device leads: <c>stdio</c>, <c>file:PATH</c>, <c>unix:PATH</c>, <c>pty:LINK</c> or <c>none</c>.</summary>
internal static class BackendOption
{
    /// <summary>Reads the text. Throws <see cref="UserException"/>.</summary>
    /// <param name="option">The option that carries it, for the message.</param>
    /// <param name="value">The text.</param>
    internal static CharacterBackend Parse(string option, string value) => value switch
    {
        "stdio" => new CharacterBackend(CharacterBackendKind.Stdio),
        "none" => new CharacterBackend(CharacterBackendKind.None),
        ['f', 'i', 'l', 'e', ':', _, ..] => new CharacterBackend(CharacterBackendKind.File, Path.GetFullPath(value[5..])),
        ['u', 'n', 'i', 'x', ':', _, ..] => new CharacterBackend(CharacterBackendKind.Unix, Path.GetFullPath(value[5..])),
        ['p', 't', 'y', ':', _, ..] => new CharacterBackend(CharacterBackendKind.Pty, Path.GetFullPath(value[4..])),
        _ => throw OptionText.Bad(option, value, "write stdio, file:PATH, unix:PATH, pty:LINK or none."),
    };
}
