using System;
using System.IO;

namespace Hutch.Host.Files;

/// <summary>
/// Where hutch keeps a user's files (XDG base directory specification). The folders need not exist. Null when neither the variable nor a home is known.
/// </summary>
public static class UserFolders
{
    /// <summary>For what can be made again: XDG_CACHE_HOME, or ~/.cache.</summary>
    public static string? Cache => Find("XDG_CACHE_HOME", ".cache");

    /// <summary>For what must outlive a machine and cannot be made again: XDG_STATE_HOME, or ~/.local/state.</summary>
    public static string? State => Find("XDG_STATE_HOME", ".local/state");

    private static string? Find(string variable, string belowHome)
    {
        string? folder = Environment.GetEnvironmentVariable(variable);
        // The specification wants relative paths ignored.
        if (string.IsNullOrEmpty(folder) || !Path.IsPathRooted(folder))
        {
            string home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
            if (home.Length == 0) return null;
            folder = Path.Combine(home, belowHome);
        }
        return Path.Combine(folder, "hutch");
    }
}
