using System;

namespace Hutch.Host.Files;

/// <summary>Where hutch keeps what can be made again.</summary>
public static class CacheFolder
{
    /// <summary>The place that the XDG base directory specification gives; it need not exist. Null when neither XDG_CACHE_HOME nor a home is known.</summary>
    public static string? Path
    {
        get
        {
            string? cache = Environment.GetEnvironmentVariable("XDG_CACHE_HOME");
            // The specification wants relative paths ignored.
            if (string.IsNullOrEmpty(cache) || !System.IO.Path.IsPathRooted(cache))
            {
                string home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
                if (home.Length == 0) return null;
                cache = System.IO.Path.Combine(home, ".cache");
            }
            return System.IO.Path.Combine(cache, "hutch");
        }
    }
}
