using System;

namespace Hutch.Model.Control;

/// <summary>Names of machines: they are directories and command-line words.</summary>
public static class VmName
{
    /// <summary>The most characters.</summary>
    public const int LongestLength = 63;

    /// <summary>Where the machine of a name listens for commands, below the runtime directory.</summary>
    public const string SocketFile = "control.sock";

    /// <summary>Held by the machine's process for as long as it lives.</summary>
    public const string LockFile = "lock";

    /// <summary>Whether a name can be used: ASCII letters, digits, '.', '_' and '-', beginning with a letter or digit.</summary>
    public static bool IsValid(string name)
    {
        if (name.Length is 0 or > LongestLength || !char.IsAsciiLetterOrDigit(name[0])) return false;
        foreach (char letter in name)
            if (!char.IsAsciiLetterOrDigit(letter) && letter is not ('.' or '_' or '-')) return false;
        return true;
    }

    /// <summary>A valid name as much like <paramref name="text"/> as can be, followed by <paramref name="suffix"/>.</summary>
    public static string From(string text, string suffix)
    {
        int room = LongestLength - suffix.Length;
        Span<char> name = stackalloc char[LongestLength];
        int length = 0;
        foreach (char letter in text)
        {
            if (length == room) break;
            bool fits = char.IsAsciiLetterOrDigit(letter) || (length > 0 && letter is '.' or '_' or '-');
            if (fits || length > 0) name[length++] = fits ? letter : '-';
        }
        return length == 0 ? $"vm{suffix}" : $"{name[..length]}{suffix}";
    }
}
