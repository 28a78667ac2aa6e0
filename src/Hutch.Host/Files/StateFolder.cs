using System;

namespace Hutch.Host.Files;

/// <summary>Where hutch keeps what must outlive a machine and cannot be made again.</summary>
public static class StateFolder
{
    /// <summary>The place that the XDG base directory specification gives; it need not exist. Null when neither XDG_STATE_HOME nor a home is known.</summary>
    public static string? Path
    {
        get
        {
            string? state = Environment.GetEnvironmentVariable("XDG_STATE_HOME");
            // The specification wants relative paths ignored.
            if (string.IsNullOrEmpty(state) || !System.IO.Path.IsPathRooted(state))
            {
                string home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
                if (home.Length == 0) return null;
                state = System.IO.Path.Combine(home, ".local", "state");
            }
            return System.IO.Path.Combine(state, "hutch");
        }
    }
}
