using System.Runtime.InteropServices;

namespace Hutch.Host.Trials;

/// <summary>Whether a shared library can be loaded, tried by loading it and asking its version.</summary>
public static unsafe class LibraryTrial
{
    /// <summary>Loads <paramref name="library"/> and calls <paramref name="versionFunction"/>, which returns a C string. Null when either is missing.</summary>
    /// <param name="library">File name for dlopen(3), for example <c>libslirp.so.0</c>.</param>
    /// <param name="versionFunction">A function without arguments.</param>
    public static string? VersionText(string library, string versionFunction)
    {
        if (!NativeLibrary.TryLoad(library, out nint handle)) return null;
        if (!NativeLibrary.TryGetExport(handle, versionFunction, out nint function)) return null;
        // SAFETY: the caller names a function of this signature; its result is a constant string of the library, which stays loaded.
        return Marshal.PtrToStringUTF8((nint)((delegate* unmanaged[Cdecl]<byte*>)function)());
    }
}
