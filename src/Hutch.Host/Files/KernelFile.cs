using System;
using System.IO;

namespace Hutch.Host.Files;

/// <summary>Small texts by which the kernel tells of itself, in /proc and /sys.</summary>
public static class KernelFile
{
    /// <summary>The whole text without blanks around it; null where there is no such file or it may not be read.</summary>
    public static string? Text(string path)
    {
        try
        {
            return File.ReadAllText(path).Trim();
        }
        catch (Exception absent) when (absent is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
