using System.IO;
using System.Runtime.InteropServices;
using Hutch.Host.Linux;

namespace Hutch.Host.Networks;

/// <summary>Whether this host has libslirp.</summary>
public static class SlirpLibrary
{
    private static readonly string[] Folders = ["/usr/lib/x86_64-linux-gnu", "/lib/x86_64-linux-gnu", "/usr/lib64", "/lib64", "/usr/lib", "/usr/local/lib"];

    /// <summary>Looks where systems have their libraries, and only then has the loader look, which takes longer and loads it.</summary>
    public static bool IsInstalled
    {
        get
        {
            foreach (string folder in Folders)
                if (File.Exists(Path.Combine(folder, SlirpNative.Library))) return true;
            return NativeLibrary.TryLoad(SlirpNative.Library, out _);
        }
    }
}
